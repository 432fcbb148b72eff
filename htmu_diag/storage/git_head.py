"""The commit of a working folder, from git's files alone.

No git is run: what `git status` executes is written in the repository's own configuration (a monitor of files, filters,
hooks), and the folder one stands in may be somebody else's. Whether files differ from the commit is therefore not said.
"""

from __future__ import annotations

import re
from pathlib import Path

from htmu_diag.errors import InputError
from htmu_diag.plain_files import read_text

__all__ = ["head_commit"]

_SMALL = 4096  # bytes of HEAD, of a reference, of a pointer to another folder
_PACKED = 64 * 1024 * 1024  # bytes of packed-refs: half a million references
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


def head_commit(folder: Path) -> str | None:
    """The commit that is checked out in the folder or one above it; None outside a repository."""
    try:
        for place in (folder.absolute(), *folder.absolute().parents):
            if (place / ".git").exists():
                return _commit(_git_folder(place / ".git"))
    except (OSError, InputError):
        return None
    return None


def _git_folder(path: Path) -> Path:
    """The folder itself, or the one that a file in its place points to (worktrees, submodules)."""
    if path.is_dir():
        return path
    return path.parent / read_text(path, limit=_SMALL).strip().removeprefix("gitdir: ")


def _commit(git: Path) -> str | None:
    head = read_text(git / "HEAD", limit=_SMALL).strip()
    if not head.startswith("ref: "):
        return _checked(head)
    name = head.removeprefix("ref: ")
    if ".." in name or name.startswith("/"):
        return None
    shared = git / "commondir"  # of a worktree: branches lie with the main one
    places = [git, git / read_text(shared, limit=_SMALL).strip()] if shared.is_file() else [git]
    found = [place / name for place in places if (place / name).is_file()]
    return _checked(read_text(found[0], limit=_SMALL).strip()) if found else _packed(places[-1], name)


def _packed(git: Path, name: str) -> str | None:
    if not (git / "packed-refs").is_file():
        return None
    lines = (line.split(" ", 1) for line in read_text(git / "packed-refs", limit=_PACKED).splitlines() if " " in line)
    return next((_checked(commit) for commit, other in lines if other == name), None)


def _checked(text: str) -> str | None:
    return text if _COMMIT.fullmatch(text) else None
