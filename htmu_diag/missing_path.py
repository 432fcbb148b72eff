"""What is said of a path where nothing lies: a near name, or how a model of a hub gets there."""

from __future__ import annotations

import os
import re
from pathlib import Path

from htmu_diag.nearest import nearest
from htmu_diag.plain_files import entry_names
from htmu_diag.safe_text import one_line, safe_text

__all__ = ["missing_path"]

_HUB = re.compile(r"[\w.-]+(/[\w.-]+)?")  # "gpt2", "org/model"
_URL = re.compile(r"\w+:/{1,2}")


def missing_path(path: str | os.PathLike[str]) -> str:
    """One line: what is missing, then what to do.

    A near name beside it is asked for; a URL and a name that is no file's are taken for models to be downloaded first.
    """
    text = os.fspath(path)
    near = _beside(Path(text))
    if os.path.islink(text):
        hint = "it is a link to nowhere; mend the link, or pass the file itself"
    elif _URL.match(text):
        hint = "download it first, then pass the path of the file or folder"
    elif near is not None:
        hint = f"did you mean {str(near)!r}?"
    elif _may_be_a_hub_s(text):
        hint = (
            f"check the path; a model of the Hugging Face Hub is downloaded first: hf download {text} --local-dir "
            f"{Path(text).name}, then pass that folder (or the loaded model itself)"
        )
    else:
        hint = "check the path"
    return one_line(f"{safe_text(text)}: no such file or folder; {hint}")


def _beside(path: Path) -> Path | None:
    """The entry of its folder with the nearest name."""
    found = nearest(path.name, entry_names(path.parent))
    return None if found is None else path.parent / found


def _may_be_a_hub_s(text: str) -> bool:
    """A name, or two with a slash between, that is neither a file with a known kind of ending nor below a folder."""
    folder, _, name = text.rpartition("/")
    ending = Path(name).suffix.lstrip(".")
    is_version = ending.isdigit() or not ending.isalpha() or len(ending) > 12
    return bool(_HUB.fullmatch(text)) and not os.path.exists(folder or "/nowhere") and (not ending or is_version)
