"""Records merged into somebody else's W&B run: one with each of its steps, none of which is lost.

``log(..., commit=False)`` adds to the row that the training writes next, and moves no counter. Two such calls in a row
would overwrite each other; so a thread waits until the row has moved on before it hands over the next record.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

__all__ = ["Merged"]

_PREFIX = "htmu/"
_PAUSE = 0.05  # seconds between two looks at the counter while records wait


class Merged:
    """Hands records to a W&B run, at most one a row, with their own axis ``htmu/step``.

    run: the W&B run that the training logs to. ended: the error that it raises once it is finished.
    """

    def __init__(self, run: Any, ended: type[Exception]) -> None:
        self._run, self._over = run, ended
        run.define_metric("htmu/step", hidden=True)
        run.define_metric("htmu/*", step_metric="htmu/step")
        self._waiting: deque[tuple[int, dict[str, float]]] = deque()
        self._row: int | None = None  # the row that holds our last record
        self._more, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._hand_over, name="htmu-wandb", daemon=True)
        self._thread.start()

    def add(self, step: int, values: dict[str, float]) -> None:
        self._waiting.append((step, values))
        self._more.set()

    def close(self) -> list[tuple[int, dict[str, float]]]:
        """Stop; the records that found no row, in order."""
        self._ended.set()
        self._more.set()
        self._thread.join()
        if self._waiting:
            self._try()
        return list(self._waiting)

    def _hand_over(self) -> None:
        while not self._ended.is_set():
            if not self._waiting:
                self._more.wait()
                self._more.clear()
            elif not self._try():
                self._ended.wait(_PAUSE)

    def _try(self) -> bool:
        """Whether the next record went into a row of its own."""
        step, values = self._waiting[0]
        try:
            if self._run.step == self._row:
                return False
            self._run.log({_PREFIX + tag: value for tag, value in {**values, "step": step}.items()}, commit=False)
            self._waiting.popleft()
            self._row = self._run.step  # asked after: a row that began meanwhile may be the one
        except self._over:
            self._ended.set()
            return False
        return True
