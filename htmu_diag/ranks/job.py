"""The running torch.distributed job as both drivers use it: keys of their own, connections, and values in pieces.

torchrun's store outlives an attempt: a job that was restarted finds the keys of the one before. Keys therefore begin
with the attempt, and with a number that counts up alike on every rank. A store waits under a lock, so each thread has a
connection of its own; it closes one that sends more than 8 MB at once, so long values go in pieces.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import torch.distributed as dist
from torch.distributed.distributed_c10d import PrefixStore, Store, _get_default_store
from torch.distributed.rendezvous import rendezvous

from htmu_diag.ranks.share import Share

__all__ = ["Job", "another", "join", "receive", "send"]

PIECE = 2**20  # bytes of one value in the store


class Job:
    """This process's place in the job, and connections to the job's key-value store.

    name: what the keys are for. count: the same on every rank, another one each time. ranks: those that belong
    together, all of the job where there are none; this process is one of them.
    """

    def __init__(self, name: str, count: int, ranks: Sequence[int] = ()) -> None:
        self.ranks = tuple(sorted(ranks)) or tuple(range(dist.get_world_size()))
        self.share = Share(self.ranks.index(dist.get_rank()), len(self.ranks))
        self._store: Any = (
            _get_default_store()
        )  # destroy_process_group() would end the server while values are on their way
        self._prefix = f"htmu_diag/{name}/{_attempt()}/{'-'.join(map(str, ranks))}/{count}"

    def connection(self) -> Store:
        """One more, for a thread of its own."""
        return PrefixStore(self._prefix, self._store.clone() if hasattr(self._store, "clone") else another(self._store))

    def close(self) -> None:
        """The server may end as far as this process is concerned."""
        self._store = None


def another(store: Any) -> Store:
    """One more connection to where a store keeps its values, for torch before 2.8, whose stores have no ``clone``.

    Prefixes around it are left off, on every rank alike. A store within one process is its own.
    """
    stores: Any = dist  # its stubs do not know where a store is
    while isinstance(store, PrefixStore):
        store = store.underlying_store
    more: Store = store
    if isinstance(store, stores.TCPStore):
        more = stores.TCPStore(store.host, store.port, is_master=False, timeout=store.timeout, wait_for_workers=False)
    elif isinstance(store, stores.FileStore):
        more = stores.FileStore(store.path, -1)
    return more


def join(limit: float) -> None:
    """Begin the job that the environment describes, gloo its backend. limit: seconds to wait for the other ranks.

    gloo, too, leaves its addresses in the store: without keys of its own a restarted rank may call on one that is gone.
    """
    timeout = timedelta(seconds=limit)
    store, rank, world = next(rendezvous("env://", timeout=timeout))
    store.set_timeout(timeout)
    own = PrefixStore(f"htmu_diag/job/{_attempt()}", store)
    dist.init_process_group("gloo", store=own, rank=rank, world_size=world, timeout=timeout)


def send(store: Store, key: str, value: bytes) -> None:
    """Put a value of any length under a key, the key last."""
    pieces = range(0, len(value), PIECE)
    for place, start in enumerate(pieces):
        store.set(f"{key}/{place}", value[start : start + PIECE])  # type: ignore[arg-type]
    store.set(key, str(len(pieces)))


def receive(store: Store, key: str) -> bytes:
    """Take the value of a key that is there; it is gone afterwards."""
    return b"".join(_pieces(store, key))


def _attempt() -> str:
    return os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")


def _pieces(store: Store, key: str) -> Iterator[bytes]:
    names = [f"{key}/{place}" for place in range(int(store.get(key)))]
    for name in names:
        yield store.get(name)
    for name in (key, *names):
        store.delete_key(name)
