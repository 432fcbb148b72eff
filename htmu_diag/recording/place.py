"""Where a run goes: its folder, and what is opened there, on the rank that writes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy.typing as npt

from htmu_diag.errors import StorageError
from htmu_diag.probes.schedule import Schedule, due_between
from htmu_diag.ranks.team import Solo, Team
from htmu_diag.recording.complaints import Complaints
from htmu_diag.recording.probe_batch import keep_samples
from htmu_diag.sinks import PageSink, Sink
from htmu_diag.sinks.chosen import SinkLike, chosen_sinks
from htmu_diag.storage import FolderLocked, Store
from htmu_diag.storage.gaps import GAP, Gap, gap_before, gap_words
from htmu_diag.storage.run_folder import OnExists, beside, run_folder

__all__ = ["Place"]


@dataclass(frozen=True)
class Place:
    """Where a run goes. reason: what is to be said: why it is not the folder that was asked for, or what it lacks.

    writes: whether this process does. gap: see `htmu_diag.storage.gaps`.

    holds_a_run: whether the folder held one before, which this one continues (start_step > 0) or supersedes.
    moves: whether it goes beside a folder that another process has taken in the meantime.
    """

    folder: Path
    reason: str
    start_step: int
    writes: bool
    one_of_many: bool  # in a job of several processes that do not know each other
    holds_a_run: bool = False
    moves: bool = False
    gap: Gap | None = None

    @classmethod
    def of(
        cls,
        log_dir: str | os.PathLike[str] | None,
        on_exists: OnExists,
        start_step: int,
        team: Team,
        schedules: Iterable[Schedule] = (),
    ) -> Place:
        """Raises as `run_folder` does. schedules: of what is measured, to tell what a continued run lacks."""
        one_of_many = isinstance(team, Solo) and int(os.environ.get("WORLD_SIZE", "1")) > 1  # as torchrun sets it
        with _hinting(one_of_many):
            folder = run_folder(log_dir, start_step=start_step, on_exists=on_exists, beside_others=not one_of_many)
        moves = on_exists == "new" and not start_step and not one_of_many
        gap = gap_before(folder.path, start_step, partial(due_between, list(schedules)))
        said = folder.reason or (gap_words(folder.path, gap) if gap else "")
        writes = team.share.rank == 0
        return cls(folder.path, said, start_step, writes, one_of_many, folder.holds_a_run, moves, gap)

    def opened(
        self,
        info: Mapping[str, Any],
        samples: Mapping[str, npt.NDArray[Any]],
        sinks: tuple[Sequence[SinkLike] | None, bool | None],
        complaints: Complaints,
    ) -> tuple[Place, Store | None, list[Sink]]:
        """The place that it became, store and sinks; neither of these where this process does not write, no store where
        the folder cannot be written.

        sinks: what `chosen_sinks` takes. Raises FolderLocked where another writes the folder and this does not move.
        """
        place = self
        while place.writes:
            try:
                return place, *place._opened(info, samples, sinks, complaints)
            except FolderLocked as locked:
                place = place._beside(locked)
        return place, None, []

    def _beside(self, locked: FolderLocked) -> Place:
        if not self.moves:
            raise locked
        folder = beside(self.folder, locked)
        return replace(self, folder=folder.path, reason=folder.reason)

    def _opened(
        self,
        info: Mapping[str, Any],
        samples: Mapping[str, npt.NDArray[Any]],
        sinks: tuple[Sequence[SinkLike] | None, bool | None],
        complaints: Complaints,
    ) -> tuple[Store | None, list[Sink]]:
        given = chosen_sinks(self.folder, *sinks)
        with _hinting(self.one_of_many):
            told = {**info, GAP: list(self.gap)} if self.gap else info
            store = _store(self.folder, told, self.start_step, complaints)
        if store is None:  # what cannot be stored has no page either, and that was said
            return None, [sink for sink in given if not isinstance(sink, PageSink)]
        keep_samples(store, samples, complaints)
        return store, given


@contextlib.contextmanager
def _hinting(of_many: bool) -> Iterator[None]:
    """A locked folder in a job whose ranks do not know each other: the likely reason is added."""
    try:
        yield
    except FolderLocked as error:
        if not of_many:
            raise
        raise FolderLocked(
            f"{error}; in a job of several ranks call watch() after torch.distributed.init_process_group(), "
            "or give each rank its own log_dir"
        ) from None


def _store(folder: Path, info: Mapping[str, Any], start_step: int, complaints: Complaints) -> Store | None:
    """The store, or none where the folder cannot be written: a training is worth more than its log."""
    try:
        return Store(folder, info=info, start_step=start_step)
    except FolderLocked:
        raise
    except StorageError as error:
        complaints.add("store", error)
        return None
