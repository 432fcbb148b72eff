"""The run's page: one HTML file that is written while the run grows, so that a killed run has one too."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from htmu_diag.analysis.history import History
from htmu_diag.analysis.quantities import declared
from htmu_diag.analysis.record import StepRecord
from htmu_diag.arguments import FLAG, PATH, checked
from htmu_diag.errors import StorageError
from htmu_diag.files import write_atomically
from htmu_diag.kinds import Kind
from htmu_diag.report.page import page
from htmu_diag.report.stored import history_from_store
from htmu_diag.sinks.history import history_from_events
from htmu_diag.storage import load_run

__all__ = ["PAGE", "PageSink", "history_of_run", "page_of", "write_page"]

PAGE = "report.html"


class PageSink:
    """Writes ``report.html`` into a run's folder at the first, second, fourth, eighth ... record and at the end.

    directory: the run's folder, with its event files or its store. announce: print the page's path at the end.
    Comes after the sinks whose files it reads. Raises StorageError where the page cannot be written.

    calls: calls a function with arguments, in a process beside a training where there is one: a page is 20 to 40 ms of
    work that holds Python's lock, and about one more for each record before it. The last page is written here.
    """

    @checked(directory=PATH, announce=FLAG)
    def __init__(self, directory: str | os.PathLike[str], *, announce: bool = False) -> None:
        self.directory, self._announce = Path(os.path.abspath(directory)), announce
        self._records, self._written, self._open = 0, 0, False
        self.calls: Callable[..., Any] = _called

    def open(self, run: Mapping[str, Any], *, start_step: int) -> None:
        """Begin counting records."""
        self._records, self._written, self._open = 0, 0, True

    def write(self, record: StepRecord) -> None:
        if record.diagnoses:
            self._records += 1
            if self._records & (self._records - 1) == 0:
                self._write()

    def close(self) -> None:
        """Write the last page; harmless when called twice."""
        if not self._open:
            return
        self._open, self.calls = False, _called
        if self._records > self._written:
            self._write()
        if self._announce and self._written:
            print(f"htmu: this run's page is {self.directory / PAGE}")

    def _write(self) -> None:
        plain = not declared() and all(kind.is_own for kind in Kind)  # what a process beside knows of
        calls = self.calls if plain else _called
        calls(write_page, [self.directory], self.directory / PAGE)
        self._written = self._records


def _called(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


def write_page(folders: Sequence[Path], out: Path) -> Path:
    """`page_of` as a file, in place of what is there. Raises StorageError for a folder that is no run."""
    write_atomically(out, page_of(folders).encode(), fsync=False)
    return out


def page_of(folders: Sequence[Path]) -> str:
    """The page of one run or several, the first of which opens. Raises StorageError for a folder that is no run."""
    names = _names(folders)
    histories = [history_of_run(folder, name) for folder, name in zip(folders, names, strict=True)]
    return page(histories[::-1], f"Spectra: {', '.join(names)}")


def history_of_run(folder: Path, name: str = "") -> History:
    """A run from its event files, or from its store where it has none. Raises StorageError where it has neither."""
    name = name or _names([folder])[0]
    found = history_from_events(folder, name) if folder.is_dir() else None
    if found is None:
        found = history_from_store(load_run(folder), name)
    if not found.tables:
        raise StorageError(f"{folder}: this run has no measurement yet; wait for its first one")
    return found


def _names(folders: Sequence[Path]) -> list[str]:
    """The last part of each path that tells them apart."""
    paths = [folder.resolve() for folder in folders]
    for depth in range(1, 5):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in paths]
