"""Formats of other installed packages: entry points ``htmu_diag.formats``, named by the ending of their files.

A reader takes a path and yields a `StoredTensor` for each tensor of the file; `htmu_diag.testing.check_format` tries
it. Endings that this package reads itself stay its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from htmu_diag.matrices.kinds import SUFFIXES
from htmu_diag.matrices.stored import StoredTensor
from htmu_diag.plugins import loaded, names

__all__ = ["installed_endings", "installed_reader"]


@lru_cache(maxsize=1)
def installed_endings() -> Mapping[str, str]:
    """Ending, with its dot -> name of the entry point. Looked up once: every installed package's metadata are read."""
    return {ending: name for name in names("formats", ()) if (ending := f".{name.lower()}") not in SUFFIXES}


def installed_reader(file: Path) -> Callable[[Path], Iterator[StoredTensor]] | None:
    """Of the package that names this file's ending, None where none does. Raises InputError where it is broken."""
    ending = file.suffix.lower()
    if ending in SUFFIXES or ending not in installed_endings():
        return None
    return loaded("formats", installed_endings()[ending])
