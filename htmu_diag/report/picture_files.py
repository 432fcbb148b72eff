"""A picture of every matrix of an analysis, as files: drawn here, or by processes that are forked for it.

A forked process has what is to be drawn already, so only numbers of pictures go to it. One that is ended costs nothing:
what it left is drawn here.
"""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from htmu_diag.analysis import Diagnosis
from htmu_diag.files import own_folder, write_atomically
from htmu_diag.own_process import begin_child
from htmu_diag.report.analysis import Analysis
from htmu_diag.report.figures import Pictures

__all__ = ["write_pictures"]

_LONGEST = 100  # characters of a layer's name in a file name
_AT_ONCE = 4  # pictures that a process is given
_FEW = 12  # pictures that take less than a process costs


def write_pictures(
    analysis: Analysis, folder: Path, done: Callable[[int, str], object] | None = None, *, processes: int = 1
) -> list[Path]:
    """One PNG a matrix with its density and fitted laws, ``012-<layer>.png`` in the order of the model.

    done: called with the number of pictures by now and the last one's name. processes: forked ones that share them;
    only for a process without threads of others.
    """
    own_folder(folder)
    digits = max(3, len(str(len(analysis.layers))))
    wanted = [
        (folder / f"{number:0{digits}d}-{_file_name(layer.name)}.png", layer.name, layer.diagnosis)
        for number, layer in enumerate(analysis.layers)
        if layer.diagnosis is not None
    ]
    drawing = _Drawing([(path, diagnosis) for path, _, diagnosis in wanted])
    for count, place in enumerate(drawing.drawn(processes if len(wanted) > _FEW else 1), 1):
        if done is not None:
            done(count, wanted[place][1])
    return [path for path, _, _ in wanted]


class _Drawing:
    """Pictures to be drawn, each to its path."""

    def __init__(self, wanted: list[tuple[Path, Diagnosis]]) -> None:
        self._wanted = wanted
        self._pictures = Pictures()

    def drawn(self, processes: int) -> Iterator[int]:
        """The place of each picture once its file is there."""
        left = dict.fromkeys(range(len(self._wanted)))
        if processes > 1:
            try:
                for place in self._shared(processes):
                    del left[place]
                    yield place
            except BrokenProcessPool:
                pass
        for place in left:
            self.draw([place])
            yield place

    def draw(self, places: list[int]) -> list[int]:
        """Write these pictures."""
        for place in places:
            path, diagnosis = self._wanted[place]
            write_atomically(path, self._pictures.png(diagnosis), fsync=False)
        return places

    def _shared(self, processes: int) -> Iterator[int]:
        self._pictures.png(self._wanted[0][1])  # matplotlib, its fonts and the panel: made once, before the fork
        places = list(range(len(self._wanted)))
        parts = [places[start : start + _AT_ONCE] for start in range(0, len(places), _AT_ONCE)]
        _inherited[:] = [self]
        with ProcessPoolExecutor(processes, multiprocessing.get_context("fork"), initializer=begin_child) as pool:
            try:
                for part in as_completed([pool.submit(_draw, part) for part in parts]):
                    yield from part.result()
            finally:
                _inherited.clear()
                # it waits: a thread that it left behind would be in Python's way at its end
                pool.shutdown(cancel_futures=True)


_inherited: list[_Drawing] = []


def _draw(places: list[int]) -> list[int]:
    return _inherited[0].draw(places)


def _file_name(layer: str) -> str:
    """A layer's name in characters that every file system takes; the number before it keeps names apart."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", layer)[-_LONGEST:]
