"""What a snapshot copied becomes spectra: alike ones together, each of the others by itself, errors contained."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence

from htmu_diag.probes import Pending
from htmu_diag.ranks.team import Found
from htmu_diag.recording.complaints import Complaints
from htmu_diag.recording.decomposer import Decomposer
from htmu_diag.recording.measured import Measured
from htmu_diag.solvers import FAILURES
from htmu_diag.solvers.threads import numpy_on_one_thread
from htmu_diag.spectrum import Spectrum

__all__ = ["Computing"]

_Waiting = tuple[str, int, Pending]


class Computing:
    """Empties ``measured.items``: copies are freed as soon as they are used."""

    def __init__(self, complaints: Complaints, decompose: Decomposer) -> None:
        self._complaints, self._decompose = complaints, decompose

    def __call__(self, measured: Measured) -> list[Found]:
        """All spectra that could be had; the events say what could not."""
        expected = measured.expected
        self._decompose.expect(expected)
        with numpy_on_one_thread() if expected else contextlib.nullcontext():
            return self._all(measured)

    def _all(self, measured: Measured) -> list[Found]:
        found: list[Found] = []
        while measured.items:
            probe, order, item = measured.items.pop(0)
            if isinstance(item, Spectrum):
                found.append(Found(probe, order, item))
                continue
            began = time.perf_counter()
            found += self._of_pending((probe, order, item), measured)
            measured.spent(probe, time.perf_counter() - began)
        return found

    def _of_pending(self, first: _Waiting, measured: Measured) -> list[Found]:
        waiting = [first, *_taken(first, measured)]
        if len(waiting) > 1 or (first[2].alike and self._decompose.beside):
            try:
                return self._together(waiting)
            except FAILURES:
                pass  # one of them is unusable: one by one, it fails alone
        found: list[Found] = []
        for probe, order, item in waiting:
            with self._complaints.containing(f"{probe} {item.name}", measured.events):
                found.append(Found(probe, order, item.compute()))
        return found

    def _together(self, waiting: Sequence[_Waiting]) -> list[Found]:
        alike = waiting[0][2].alike
        assert alike is not None
        spectra = alike.spectra([item.compute for _, _, item in waiting], self._decompose)
        return [Found(probe, order, s) for (probe, order, _), s in zip(waiting, spectra, strict=True)]


def _taken(first: _Waiting, measured: Measured) -> list[_Waiting]:
    """Those that are computed with the first one, out of the snapshot's items."""
    probe, _, item = first
    if item.alike is None:
        return []
    taken: list[_Waiting] = []
    rest = []
    for other in measured.items:
        if isinstance(other[2], Pending) and (other[0], other[2].alike) == (probe, item.alike):
            taken.append((other[0], other[1], other[2]))
        else:
            rest.append(other)
    measured.items[:] = rest
    return taken
