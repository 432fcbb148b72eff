"""Decomposing beside a training without slowing it: small matrices are sent to a process of their own.

A step of a small model is hundreds of calls, at each of which Python's lock changes hands: beside a thread that
decomposed 40 matrices of 128 x 128 a step of 9 ms lasted 15 to 76 ms, beside a process 9. The process has numpy alone
(0.15 s of CPU, 44 MB) and a lower priority. It starts with the first snapshot that keeps a thread busy for so long that
a training feels it, and its numbers are those of a thread, to the last bit.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from htmu_diag.beside import Beside
from htmu_diag.errors import MeasurementError
from htmu_diag.stacked import MOST, Stacked, asked, decomposed, joined

__all__ = ["Decomposer"]

LONG = 0.005  # CPU seconds of a snapshot
PRIORITY = 5  # of 19: before the process of the fits, which have no copy of the weights to keep


class Decomposer(Beside):
    """`htmu_diag.stacked.decomposed`, by a process where that is worth its start; without it on the caller's thread.

    on_end: told why the process ended, if it did; at most once. Not for use from several threads at once.
    """

    def __init__(self, on_end: Callable[[MeasurementError], object]) -> None:
        super().__init__("htmu_diag.stacked", PRIORITY, "decomposes", "decomposed", on_end)

    def expect(self, seconds: float) -> None:
        """What a snapshot takes: from LONG on the process is worth its start."""
        if seconds > LONG and self._process is None and not self._failed:
            self._start()

    @property
    def beside(self) -> bool:
        """Whether there is a process."""
        return self._process is not None

    def __call__(self, matrices: Sequence[npt.NDArray[np.generic]]) -> Stacked:
        step = max(MOST // max(matrices[0].size, 1), 1)
        return joined([self._part(matrices[start : start + step]) for start in range(0, len(matrices), step)])

    def _part(self, matrices: Sequence[npt.NDArray[np.generic]]) -> Stacked:
        process = self._process
        if process is not None:
            try:
                return self._answer(process, matrices)
            except (OSError, EOFError) as error:
                self._give_up(error)
        return decomposed(matrices)

    def _answer(self, process: subprocess.Popen[bytes], matrices: Sequence[npt.NDArray[np.generic]]) -> Stacked:
        assert process.stdin is not None
        assert process.stdout is not None
        with self._answering():
            return asked(matrices, process.stdin, process.stdout)
