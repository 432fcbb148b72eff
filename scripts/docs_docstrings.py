"""An extension of griffe for the documentation: what docstrings say in their own way becomes Markdown.

Examples (``>>>``) become blocks of code, and explained parameters ("every: when to measure ...") a list.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import griffe

_EXAMPLE = re.compile(r"(?:^[ ]*>>> .*\n?(?:^[ ]*\S.*\n?)*)+", flags=re.MULTILINE)
_EXPLAINED = re.compile(r"(?:^|(?<=[.;)\"] ))(\w+(?:, \w+)*):(?=[ \n])", flags=re.MULTILINE)


class Docstrings(griffe.Extension):
    """Rewrites every docstring, once it is known what the object takes."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = fenced(listed(obj.docstring.value, _names(obj)))


def fenced(docstring: str) -> str:
    """The docstring with its examples in fences."""
    return _EXAMPLE.sub(lambda found: f"```pycon\n{found[0].rstrip()}\n```\n", docstring)


def listed(docstring: str, names: Collection[str]) -> str:
    """The docstring with "name: words" as an item of a list for each of these names, also within a line.

    >>> print(listed("Counts. step: where it begins. every: how often", ["step", "every"]))
    Counts.
    <BLANKLINE>
    - `step`: where it begins.
    - `every`: how often
    """
    return "\n\n".join(_items(paragraph, names) for paragraph in docstring.split("\n\n"))


def _items(paragraph: str, names: Collection[str]) -> str:
    if paragraph.lstrip().startswith(">>>"):
        return paragraph
    found = [one for one in _EXPLAINED.finditer(paragraph) if set(one[1].split(", ")) <= set(names)]
    if not found:
        return paragraph
    ends = [one.start() for one in found[1:]] + [len(paragraph)]
    items = [_item(one[1], paragraph[one.end() : end]) for one, end in zip(found, ends, strict=True)]
    before = paragraph[: found[0].start()].rstrip()
    return "\n\n".join([*([before] if before else []), "\n".join(items)])


def _item(names: str, words: str) -> str:
    marked = ", ".join(f"`{name}`" for name in names.split(", "))
    return f"- {marked}: {' '.join(words.split())}"


def _names(obj: griffe.Object) -> set[str]:
    """What a function takes; what a class takes and has."""
    if obj.is_class:
        return {*obj.members, *(one.name for one in getattr(obj, "parameters", ()))}
    return {one.name for one in obj.parameters} if isinstance(obj, griffe.Function) else set()
