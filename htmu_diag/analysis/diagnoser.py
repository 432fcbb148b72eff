"""Diagnosing beside a training without slowing it: on the caller's thread at first, then in a process of its own.

Fits are thousands of small numpy calls, and Python's lock changes hands with each. On a thread beside a training they
take that lock from it: the steps of a small transformer lasted two to five times as long meanwhile, and as long as
ever beside a process. The process has no torch, one BLAS thread and a lower priority, so it fills what the training
leaves idle; its numbers are the same. It starts once diagnosing has taken half a second: small runs never need it.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar, cast

from htmu_diag.analysis.densities import densities
from htmu_diag.analysis.diagnose import diagnose_each
from htmu_diag.analysis.diagnosis import FITS, PACKED, Diagnosis
from htmu_diag.analysis.options import Options
from htmu_diag.beside import Beside, answers_to
from htmu_diag.errors import HTMUError, MeasurementError
from htmu_diag.spectrum import Spectrum

__all__ = ["Diagnoser", "serve"]

PATIENCE = 0.5  # CPU seconds of diagnosing on the caller's thread; what a process costs to start
TAKES = 600.0  # seconds that a `call` may take, at a tenth of a core
PRIORITY = 10  # of 19: a tenth of a core where a training keeps all of them busy

T = TypeVar("T")


class Diagnoser(Beside):
    """`diagnose` with given options; spectra whose process failed are diagnosed on the caller's thread, as are all
    that follow.

    on_end: told why the process ended, if it did; at most once. drawn: whether sinks will ask for densities, so that
    the process makes them. Not for use from several threads at once.
    """

    def __init__(
        self,
        options: Options | None,
        on_end: Callable[[MeasurementError], object],
        patience: float | None = None,
        *,
        drawn: bool = False,
    ) -> None:
        super().__init__(__name__, PRIORITY, "diagnoses", "diagnosed", on_end)
        self._options, self._drawn = options, drawn
        self._patience = PATIENCE if patience is None else patience

    def __call__(self, spectrum: Spectrum) -> Diagnosis:
        """Of one. Raises what `diagnose` raises."""
        found = self.each([spectrum])[0]
        if isinstance(found, Exception):
            raise found
        return found

    def each(self, spectra: Sequence[Spectrum]) -> list[Diagnosis | Exception]:
        """As `diagnose_each`, of one of the `batches`."""
        if self._process is None and not self._failed and self._patience <= 0:
            self._start()
        if self._process is not None:
            try:
                return self._answer(self._process, spectra)
            except (OSError, EOFError, pickle.UnpicklingError) as error:
                self._give_up(error)
        began = time.thread_time()
        try:
            return diagnose_each(spectra, self._options)
        finally:
            self._patience -= time.thread_time() - began

    def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """What a function of this package returns, from the process where there is one: what takes Python's lock for
        long. Raises what it raises. Both ways have to do the same, so arguments and what is returned are plain data.
        """
        if self._process is not None:
            try:
                found = self._asked(self._process, partial(_outcome, function, *arguments), TAKES)
            except (OSError, EOFError, pickle.UnpicklingError) as error:
                self._give_up(error)
            else:
                if isinstance(found, HTMUError):
                    raise found
                return cast(T, found)
        return function(*arguments)

    def hasten(self) -> None:
        """From any thread: there is a queue, so the process is worth its start now."""
        self._patience = 0.0

    def _answer(self, process: subprocess.Popen[bytes], spectra: Sequence[Spectrum]) -> list[Diagnosis | Exception]:
        answer = self._asked(process, partial(_answers, list(spectra), self._options, self._drawn))
        return [_with(spectrum, found) for spectrum, found in zip(spectra, answer, strict=True)]

    def _asked(self, process: subprocess.Popen[bytes], call: Callable[[], Any], within: float = 0.0) -> Any:
        assert process.stdin is not None
        assert process.stdout is not None
        with self._answering(within):
            process.stdin.write(pickle.dumps(call))
            process.stdin.flush()
            return pickle.load(process.stdout)


def serve(parent: int) -> None:
    """The process: calls come in, what they return goes out, until the parent closes or ends."""
    requests, answers = sys.stdin.buffer, os.fdopen(answers_to(parent), "wb")
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            answers.write(pickle.dumps(pickle.load(requests)()))
            answers.flush()


def _answers(spectra: Sequence[Spectrum], options: Options | None, drawn: bool) -> list[dict[str, Any] | Exception]:
    return [_without(found) for found in _complete(spectra, options, drawn)]


def _outcome(function: Callable[..., T], *arguments: Any) -> T | HTMUError:
    try:
        return function(*arguments)
    except HTMUError as error:
        return error


def _complete(spectra: Sequence[Spectrum], options: Options | None, drawn: bool) -> list[Diagnosis | Exception]:
    """Diagnoses that have at hand whatever those who receive them would compute beside the training."""
    found = diagnose_each(spectra, options)
    known = [each for each in found if isinstance(each, Diagnosis)]
    for diagnosis in known:
        _ = diagnosis.computed, diagnosis.texts, diagnosis.verdict, diagnosis.prediction_stands  # it keeps them
    if drawn:
        densities(known)
    return found


def _without(found: Diagnosis | Exception) -> dict[str, Any] | Exception:
    """What was found about a spectrum, without it: whoever asked has it, and need not check it again.

    The fits are packed. As 4,600 objects a snapshot of 39 spectra, of which the newest eight are kept, they made Python
    collect its garbage in full every fifteenth snapshot: 0.2 s with its lock, at whatever step of the training.
    """
    if isinstance(found, Exception):
        return found
    fits = {name: value for name, value in vars(found).items() if name in FITS}
    said = {name: value for name, value in vars(found).items() if name not in FITS and name != "spectrum"}
    return said | {PACKED: pickle.dumps(fits)}


def _with(spectrum: Spectrum, found: dict[str, Any] | Exception) -> Diagnosis | Exception:
    if isinstance(found, Exception):
        return found
    diagnosis = object.__new__(Diagnosis)
    vars(diagnosis).update(found, spectrum=spectrum)
    return diagnosis
