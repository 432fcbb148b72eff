"""What each rank of a job does in which one of them dies, stands still or has no memory for a moment."""

import contextlib
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.parallel import DistributedDataParallel

from htmu_diag.integrations.distributed import all_ranks
from htmu_diag.ranks import heartbeat, snapshot
from tests.integrations.workers import SlowShare, caught, network, train, watch

AT_THE_END = 1.0  # seconds instead of five, and signs as much oftener


def _watched(
    rank: int, folder: Path, probes: dict[Any, Any], team: Any = None
) -> tuple[Any, torch.optim.Optimizer, torch.nn.Module]:
    heartbeat.EVERY, snapshot.AT_THE_END = 0.1, AT_THE_END
    model = DistributedDataParallel(network())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    every = {getattr(probe, "name", probe): steps for probe, steps in probes.items()}
    return (
        watch(model, optimizer, log_dir=folder / "run", every=every, probes=list(probes), team=team),
        optimizer,
        model,
    )


def dies_before_its_part_is_sent(rank: int, folder: Path) -> None:
    """As by SIGKILL: no handler, no sign, no goodbye. Rank 0's own error comes from its next exchange of gradients."""
    with caught(folder, rank):
        monitor, optimizer, model = _watched(rank, folder, {"weights": 1, SlowShare(60.0): [2]})
        train(model, optimizer, rank, 2)
        if rank:
            os._exit(0)
        with monitor, pytest.raises(RuntimeError, match="peer"):
            train(model, optimizer, rank, 1)


def has_no_memory_for_its_part(rank: int, folder: Path) -> None:
    """For the second of three snapshots, at which rank 0 waits for it."""
    _sends_not(rank, folder, {1})


def can_send_nothing_any_more(rank: int, folder: Path) -> None:
    """Nor say so; its signs of life would have rank 0 wait for ever, and with it, in the end, the training."""
    _sends_not(rank, folder, set(range(1, 100)))


def _sends_not(rank: int, folder: Path, unsent: set[int]) -> None:
    real, times = snapshot.send, iter(range(100))

    def send(*arguments: Any) -> None:
        if next(times) in unsent:
            raise MemoryError("injected")
        real(*arguments)

    snapshot.send = send
    with caught(folder, rank):
        monitor, optimizer, model = _watched(rank, folder, {"weights": 1, SlowShare(0.0): 1}, all_ranks(1.0))
        with monitor:
            train(model, optimizer, rank, 2)
            monitor.flush()
            train(model, optimizer, rank, 3)


def stands_still_for_a_while(rank: int, folder: Path) -> None:
    """Rank 1 is stopped on its way to a snapshot, for longer than ranks that met are waited for."""
    snapshot.AFTER_MEETING = 0.5
    with caught(folder, rank):
        monitor, optimizer, model = _watched(rank, folder, {"weights": 1})
        with monitor:
            train(model, optimizer, rank, 1)
            real = snapshot.Ranks.agree

            def agree(*arguments: Any) -> Any:
                snapshot.Ranks.agree = real  # type: ignore[method-assign]
                time.sleep(1.5)
                return real(*arguments)

            if rank:
                snapshot.Ranks.agree = agree  # type: ignore[method-assign]
            train(model, optimizer, rank, 2)


def all_are_asked_to_end(rank: int, folder: Path) -> None:
    """SIGTERM to each, as a scheduler sends it, while they train."""
    with caught(folder, rank), contextlib.suppress(SystemExit):
        monitor, optimizer, model = _watched(rank, folder, {"weights": 1})
        with monitor:
            train(model, optimizer, rank, 1)
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
            time.sleep(60.0)
    (folder / f"ended-{rank}").touch()
