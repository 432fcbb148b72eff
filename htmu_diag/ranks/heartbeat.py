"""Heartbeat of life: a number for each rank in the job's key-value store, which grows while the rank's monitor is open.

A rank may measure for longer than any time limit that finds a dead one soon; so ranks wait for each other as long as
these numbers grow.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time

from torch.distributed.distributed_c10d import Store

__all__ = ["Heartbeat", "arrives"]

EVERY = 1.0  # seconds between two signs and between two looks for them, at most
SOONEST, LATEST = 0.005, 0.1  # seconds between two looks, growing with the time waited


class Heartbeat:
    """Gives this rank's signs from a thread, once started, and looks at those of others.

    store: a connection for the thread alone. limit: seconds without a sign after which a rank counts as gone.
    """

    def __init__(self, store: Store, rank: int, limit: float) -> None:
        self._store, self._rank, self._limit = store, rank, limit
        self._last: dict[int, tuple[bytes, float]] = {}  # rank -> its newest sign, and when it was new
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._give, daemon=True, name="htmu-diag-signs")

    def start(self) -> None:
        """Begin to give signs; harmless when called again."""
        if self._thread.ident is None:
            self._thread.start()

    @property
    def limit(self) -> float:
        """Seconds without a sign after which a rank counts as gone."""
        return self._limit

    def hurry(self, limit: float) -> None:
        """From any thread, also while one waits: from now on a rank counts as gone after so many seconds already."""
        self._limit = min(self._limit, limit)

    def await_key(self, store: Store, key: str, rank: int) -> bool:
        """Whether the key came, however late; False once the rank that writes it is gone, which costs the limit once.

        store: a connection of the caller's thread.
        """
        self._last.setdefault(rank, (b"", time.monotonic()))
        while not arrives(store, key, min(self._limit / 4, EVERY)):
            if not self.is_alive(store, rank):
                return False
        return True

    def is_alive(self, store: Store, rank: int) -> bool:
        """Whether the rank's sign is another than at the last look, or was so within the limit."""
        sign, now = f"sign/{rank}", time.monotonic()
        seen, since = self._last.setdefault(rank, (b"", now))
        newest = store.get(sign) if store.check([sign]) else b""
        if newest != seen:
            seen, since = self._last[rank] = newest, now
        return now - since <= self._limit

    def close(self) -> None:
        """No further signs; harmless when called twice."""
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _give(self) -> None:
        with contextlib.suppress(RuntimeError):  # a store that is gone: the job has ended
            for number in itertools.count():
                self._store.set(f"sign/{self._rank}", str(number))
                if self._ended.wait(min(self._limit / 10, EVERY)):
                    return


def arrives(store: Store, key: str, seconds: float) -> bool:
    """Whether the key is there, at the latest after so many seconds."""
    began = time.monotonic()
    while not store.check([key]):
        waited = time.monotonic() - began
        if waited > seconds:
            return False
        time.sleep(min(max(SOONEST, waited / 10), LATEST))
    return True
