"""Names and sentences of others, made safe to show: in a terminal, a table, CSV, Markdown and HTML.

A layer's name is whatever the author of a file wrote. Escape sequences in it move the cursor, set the window's title or
hide what was printed; direction marks turn what is read around; a line feed makes a row of its own; a lone surrogate
cannot be written at all; a spreadsheet computes a cell that begins with ``=``. Here such characters become their
escapes, as `repr` shows them; a name of ordinary letters, in any script, stays as it is.
"""

from __future__ import annotations

import html
import re
import unicodedata

__all__ = ["LONGEST", "csv_cell", "html_text", "markdown_text", "one_line", "safe_text"]

LONGEST = 200  # characters of a name that are shown; the longest names of models in use have about 120
SENTENCE = 2000  # characters of a sentence with a name or a path in it
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # control, format (with the direction marks), surrogate, separators
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MARKDOWN = re.compile(r"([\\`*\[\]<>|~&#!]|(?<![^\W_])_|_(?![^\W_]))")  # an underscore inside a word is none


def safe_text(text: object, *, longest: int | None = LONGEST) -> str:
    r"""The text on one line, without characters that act; the middle of a long one is left out (None: nothing is).

    >>> safe_text("fc1\x1b[2J\nweight"), safe_text("слой.1"), safe_text("\ud800")
    ('fc1\\x1b[2J\\nweight', 'слой.1', '\\ud800')
    """
    text = str(text)
    if longest is not None and len(text) > longest:
        text = f"{text[: longest // 2]}...{text[-(longest // 2) :]}"
    return text if text.isascii() and text.isprintable() else "".join(map(_shown, text))


def one_line(text: object) -> str:
    """A sentence as one line: white space of any kind is one blank, other characters that act are escaped."""
    return safe_text(" ".join(str(text).split()), longest=SENTENCE)


def csv_cell(value: object) -> object:
    """A cell of CSV: text escaped, with an apostrophe before what a spreadsheet would compute; numbers as they are.

    >>> csv_cell("=1+2"), csv_cell(-1.5)
    ("'=1+2", -1.5)
    """
    if not isinstance(value, str):
        return value
    shown = safe_text(value, longest=None)
    return f"'{shown}" if value.startswith(_FORMULA) or shown.lstrip().startswith(_FORMULA) else shown


def markdown_text(text: object) -> str:
    """Plain text inside Markdown: nothing in it is markup, a link, a picture or HTML."""
    return _MARKDOWN.sub(r"\\\1", safe_text(text))


def html_text(text: object) -> str:
    """Plain text inside HTML, also inside a quoted attribute."""
    return html.escape(safe_text(text), quote=True)


def _shown(character: str) -> str:
    return ascii(character)[1:-1] if unicodedata.category(character) in _HIDDEN else character
