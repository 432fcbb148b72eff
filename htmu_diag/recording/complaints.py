"""Errors that must not stop a training: kept here, said once, never lost.

A worker thread adds them; the training thread says them at its next step, as warnings, or raises the first one where
``strict`` was asked for. A layer that is NaN at every step warns once; each step's record says it again.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator

from htmu_diag.warned import warn

__all__ = ["Complaints"]


class Complaints:
    """What went wrong, by what it went wrong with.

    strict: raise the first error on the training thread instead of warning.
    """

    def __init__(self, strict: bool = False) -> None:
        self._strict = strict
        self._lock = threading.Lock()
        self._times: Counter[str] = Counter()
        self._unsaid: list[tuple[str, BaseException]] = []

    def add(self, about: str, error: BaseException) -> str:
        """Keep an error; says it later if it is the first about this. Returns it as one sentence."""
        sentence = _sentence(about, error)
        with self._lock:
            self._times[about] += 1
            if self._times[about] == 1:
                self._unsaid.append((sentence, error))
        return sentence

    def containing(self, about: str, events: list[str]) -> contextlib.AbstractContextManager[None]:
        """A block whose ordinary exceptions end up here, and in ``events`` as a sentence, instead of going on."""
        return _Containing(self, about, events)

    def say(self) -> None:
        """Warn about what is new, one warning each. On the training thread only; raises it where strict."""
        self._say(raising=True)

    def say_last(self, *, raising: bool = True) -> None:
        """At the end: what is new, and in one sentence what happened more than once. raising: where strict."""
        repeated = [f"{about} ({times} times)" for about, times in self._times.items() if times > 1]
        if repeated:
            listed = ", ".join(repeated[:5]) + (f" and {len(repeated) - 5} more" if len(repeated) > 5 else "")
            warn(f"htmu_diag: went wrong more than once: {listed}")
        self._say(raising=raising)

    def _say(self, *, raising: bool) -> None:
        for sentence, error in self._taken():
            if self._strict and raising:
                raise error
            warn(f"htmu_diag: {sentence}")

    def _taken(self) -> Iterator[tuple[str, BaseException]]:
        while self._unsaid:
            with self._lock:
                first = self._unsaid.pop(0)
            yield first


class _Containing(contextlib.AbstractContextManager[None]):
    """Ordinary exceptions (of a probe, a fit, a disk) stop here; KeyboardInterrupt and SystemExit pass."""

    def __init__(self, complaints: Complaints, about: str, events: list[str]) -> None:
        self._complaints, self._about, self._events = complaints, about, events

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        if not isinstance(error, Exception):
            return False
        self._events.append(self._complaints.add(self._about, error))
        return True


def _sentence(about: str, error: BaseException) -> str:
    text = str(error) or type(error).__name__
    return text if about.split(" ")[-1] in text else f"{about}: {type(error).__name__}: {text}"
