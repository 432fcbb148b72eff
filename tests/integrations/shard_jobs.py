"""What ranks run that hold parts of a model, or of its optimizer's state."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh
from torch.nn.parallel import DistributedDataParallel

import htmu_diag.probes.weights as weights
from htmu_diag.model import shards
from htmu_diag.operators import AllReduced
from tests.integrations.workers import caught, fsdp, network, probe_batch, train, watch
from tests.later import Later

PROBES = ["weights", "trajectory"]
dtensor, optim = Later("torch.distributed.tensor"), Later("torch.distributed.optim")


def sharded(mesh: DeviceMesh | None = None) -> torch.nn.Module:
    model = network()
    for module in model:
        if isinstance(module, torch.nn.Linear):
            fsdp.fully_shard(module, mesh=mesh)
    whole: torch.nn.Module = fsdp.fully_shard(model, mesh=mesh)
    return whole


def two_models_on_two_ranks_each(rank: int, folder: Path) -> None:
    """Ranks 0 and 1 train one model, 2 and 3 another with another rate; each has a watch and steps of its own."""
    pair = rank // 2
    mesh = [DeviceMesh("cpu", [0, 1]), DeviceMesh("cpu", [2, 3])][pair]
    model = sharded(mesh)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1 * (1 + pair))
    with caught(folder, rank), watch(model, log_dir=folder / f"run-{pair}", every=2, probes=PROBES):
        train(model, optimizer, rank % 2, 4 + 2 * pair)
    dist.barrier()  # rank 0 serves the store of all of them


def zero_redundancy(rank: int, folder: Path) -> None:
    """The optimizer's state is cut among ranks; `watch` is not given it. The weights after each step are kept."""
    model = DistributedDataParallel(network())
    optimizer = optim.ZeroRedundancyOptimizer(model.parameters(), optimizer_class=torch.optim.Adam, lr=0.01)
    with caught(folder, rank), watch(model, log_dir=folder / "run", every=1, probes=PROBES):
        for step in range(1, 5):
            train(model, optimizer, rank, 1)
            if rank == 0:
                np.save(folder / f"weight-{step}.npy", model.module[2].weight.detach().numpy())


def no_memory_on_rank_1(rank: int, folder: Path, fail: Callable[[], None]) -> None:
    """From the second snapshot on something of rank 1 has no memory; both take 6 steps and write where they end."""
    model = sharded()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with caught(folder, rank), watch(model, log_dir=folder / "run", every=2, probes=PROBES):
        train(model, optimizer, rank, 1)
        if rank == 1:
            fail()
        began = time.monotonic()
        train(model, optimizer, rank, 5)
        (folder / f"seconds-{rank}.txt").write_text(str(time.monotonic() - began))
    np.save(folder / f"end-{rank}.npy", model[2].weight.to_local().detach().numpy())


def no_memory(*_: object, **__: object) -> None:
    raise torch.OutOfMemoryError("tried to allocate 9.00 GiB")


def no_memory_for_one_weight_nor_a_copy_of_another(rank: int, folder: Path) -> None:
    def fail() -> None:
        found, copied = shards.no_room, weights.copy_of
        shards.no_room = lambda tensor: tuple(tensor.shape) == (20, 24) or found(tensor)
        weights.copy_of = lambda tensor, room: no_memory() if len(tensor) == 6 else copied(tensor, room)

    no_memory_on_rank_1(rank, folder, fail)


def no_memory_inside_the_gather(rank: int, folder: Path) -> None:
    def fail() -> None:
        dtensor.DTensor.full_tensor = no_memory

    shards.SECONDS = 2.0
    no_memory_on_rank_1(rank, folder, fail)


def no_memory_for_a_vector(rank: int, folder: Path) -> None:
    """Rank 1 leaves every Hessian before its first product, and goes on to the training's own collective."""
    model = DistributedDataParallel(network())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    if rank == 1:
        AllReduced.matvec = no_memory
    choices = {"probes": ["hessian", "weights"], "every": 2, **probe_batch(rank)}
    began = time.monotonic()
    with caught(folder, rank), watch(model, optimizer, log_dir=folder / "run", **choices):
        train(model, optimizer, rank, 4)
    (folder / f"seconds-{rank}.txt").write_text(str(time.monotonic() - began))
