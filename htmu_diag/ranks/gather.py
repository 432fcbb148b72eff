"""One process or many: who works on which item, and how the results come to rank 0.

Ranks speak through the key-value store of their torch.distributed job, not through collectives: a rank that fails says
so, one that dies stops giving signs of life, and rank 0 ends with a sentence instead of waiting for ever.

    every rank   sign/rank = a number that grows while it works
    its results  item/place, each as soon as there is one (a value in the store is limited to some megabytes)
    a failure    failed/rank = the reason; the rank then waits for told = rank 0 has read it and speaks for all
"""

from __future__ import annotations

import contextlib
import itertools
import pickle
import time
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, TypeVar

from htmu_diag.errors import MeasurementError
from htmu_diag.ranks.heartbeat import Heartbeat
from htmu_diag.ranks.job import Job, receive, send

__all__ = ["Ranks"]

T = TypeVar("T")
_POLL_SECONDS = 0.02
_GRACE_SECONDS = 5.0  # rank 0 may hold the store: ranks that failed too are heard before it leaves
_COUNT = itertools.count()


class Ranks(contextlib.AbstractContextManager["Ranks"]):
    """All ranks of the running torch.distributed job; every rank makes as many of these, in the same order.

    limit: seconds without a sign of life after which a rank is given up. 60 by default: signs are given every few
    seconds by a thread of their own, whatever the size of the matrix at work.
    """

    def __init__(self, limit: float = 60.0) -> None:
        self._job = Job("analyze", next(_COUNT))
        self.rank, self.world, self._limit = self._job.share.rank, self._job.share.world, limit
        self._store = self._job.connection()
        self._heartbeat = Heartbeat(self._job.connection(), self.rank, limit)

    def __enter__(self) -> Ranks:
        self._heartbeat.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self._say_failed(str(error) or type(error).__name__)
        self._heartbeat.close()
        self._job.close()

    def gathered(self, mine: Iterable[tuple[int, T]], owners: Sequence[int]) -> Iterator[tuple[int, T]]:
        for place, item in mine:
            if self.rank:
                send(self._store, f"item/{place}", pickle.dumps(item))
            yield place, item
        if self.rank == 0:
            for place, owner in enumerate(owners):
                if owner:
                    yield place, self._received(place, owner)

    def _received(self, place: int, owner: int) -> Any:
        key = f"item/{place}"
        while not self._store.check([key]):
            self._look_after_others()
            time.sleep(_POLL_SECONDS)
        return pickle.loads(receive(self._store, key))

    def _look_after_others(self) -> None:
        for rank in range(1, self.world):
            if self._store.check([f"failed/{rank}"]):
                raise MeasurementError(f"rank {rank}: {self._store.get(f'failed/{rank}').decode()}")
            if not self._heartbeat.is_alive(self._store, rank):
                raise MeasurementError(
                    f"rank {rank} gave no sign of life for {self._limit:g} s, so its matrices are missing; "
                    "look at its own output, then start all ranks again"
                )

    def _say_failed(self, reason: str) -> None:
        with contextlib.suppress(RuntimeError):  # a store that is gone hears nothing
            if self.rank == 0:
                self._store.set("told", "yes")
                self._await([f"heard/{rank}" for rank in range(1, self.world)], min(self._limit, _GRACE_SECONDS))
            else:
                self._store.set(f"failed/{self.rank}", " ".join(reason.split()))
                self._await(["told"], self._limit)
                self._store.set(f"heard/{self.rank}", "yes")

    def _await(self, keys: list[str], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self._store.check(keys) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
