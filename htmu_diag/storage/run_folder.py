"""Where a run goes: into its folder, and never on top of another run that would then no longer be seen."""

from __future__ import annotations

import itertools
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from htmu_diag.errors import InputError, StorageError
from htmu_diag.storage.lock import FolderLocked, this_process, writer
from htmu_diag.storage.log import holds_a_run

__all__ = ["OnExists", "RunFolder", "beside", "run_folder"]

OnExists = Literal["new", "refuse", "continue"]
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


@dataclass(frozen=True)
class RunFolder:
    """path: absolute, so that a change of the current folder loses nothing. reason: why it is not the one asked for.

    holds_a_run: whether there is one already, which this one continues or supersedes.
    """

    path: Path
    reason: str = ""
    holds_a_run: bool = False


def run_folder(
    log_dir: str | os.PathLike[str] | None, *, start_step: int, on_exists: OnExists, beside_others: bool = True
) -> RunFolder:
    """The folder of a run that begins at ``start_step``.

    log_dir: None for ``runs/<time>``, or the first free number behind it. on_exists: what to do where it holds a run
    and this one begins anew: "new" takes the first free of ``<log_dir>-2``, ``-3``, ...; "refuse" raises StorageError;
    "continue" supersedes what is there.
    beside_others: also where another process is still writing that run; a writer in this process always refuses.
    Raises FolderLocked then; InputError for a URL or another choice.
    """
    if on_exists not in ("new", "refuse", "continue"):
        raise InputError(f"on_exists={on_exists!r}: choose 'new', 'refuse' or 'continue'")
    wanted = _absolute(log_dir)
    if log_dir is None and beside_others and os.path.lexists(wanted):  # a GAN's two models, begun in one second
        return RunFolder(_free_beside(wanted))
    if start_step or on_exists == "continue" or not holds_a_run(wanted):
        return RunFolder(wanted, holds_a_run=holds_a_run(wanted))
    if on_exists == "refuse":
        raise StorageError(
            f"{wanted} holds a run already; pass start_step= to continue it, another log_dir, or on_exists='new'"
        )
    holder = writer(wanted)
    if holder and (holder == this_process() or not beside_others):
        raise FolderLocked.of(wanted, holder)
    free = _free_beside(wanted)
    return RunFolder(free, f"{wanted} holds a run already, so this one goes to {free}; pass start_step= to continue it")


def beside(wanted: Path, locked: FolderLocked) -> RunFolder:
    """The next free folder, where another process was the first in this one; raises what it is given otherwise."""
    if locked.holder == this_process():
        raise locked
    free = _free_beside(wanted)
    return RunFolder(free, f"{wanted} is being written by {locked.holder}, so this one goes to {free}")


def _absolute(log_dir: str | os.PathLike[str] | None) -> Path:
    if log_dir is None:
        return (Path("runs") / time.strftime("%Y-%m-%d_%H-%M-%S")).absolute()
    text = os.fspath(log_dir)
    if not text:
        raise InputError("log_dir='' names no folder; pass '.' for the current one, or None for runs/<time>")
    if _URL.match(text):
        raise InputError(
            f"log_dir={text!r} is a URL, and runs are written to a local folder; name one, and copy it (or mount the "
            "bucket) afterwards"
        )
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:
        raise InputError(f"log_dir={text!r} names a user without a home folder; write './{text}' or another") from error


def _free_beside(wanted: Path) -> Path:
    """The first number under which nothing lies, be it a run or somebody's file."""
    numbered = (wanted.with_name(f"{wanted.name}-{number}") for number in itertools.count(2))
    return next(path for path in numbered if not os.path.lexists(path))
