"""Two processes with different data compute what one process computes on all of it."""

import socket
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.nn.functional import cross_entropy

from htmu_diag.errors import InputError, MeasurementError
from htmu_diag.operators.allreduce import AllReduced
from htmu_diag.operators.covariance import gradient_covariance
from htmu_diag.operators.hessian import HessianOperator
from htmu_diag.solvers.density import spectral_density
from htmu_diag.solvers.eigenpairs import top_k
from htmu_diag.spectrum import Kind, Source
from tests.forked import start
from tests.later import Later

pytestmark = pytest.mark.xdist_group("ranks")  # one process to fork from
fsdp = Later("torch.distributed.fsdp")


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3)).double()


def data() -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(1)
    return torch.randn(50, 5, generator=rng, dtype=torch.float64), torch.randint(0, 3, (50,), generator=rng)


def partly_ignored(labels: torch.Tensor) -> torch.Tensor:
    """Most labels of the first rank's rows do not count."""
    return torch.where(torch.arange(50) < 27, -100, labels)


def measured(operator: Any) -> dict[str, torch.Tensor]:
    source = Source(Kind.HESSIAN, "model", operator.shape)
    density = spectral_density(operator, source, steps=10, probes=2)
    return {"top": torch.tensor(top_k(operator, 3).values), "trace": torch.tensor([density.trace()])}


def worker(rank: int, port: int, folder: str) -> None:
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    x, y = data()
    rows = slice(0, 30) if rank == 0 else slice(30, 50)
    ddp = nn.parallel.DistributedDataParallel(model())
    operator = AllReduced(HessianOperator(ddp, cross_entropy, (x[rows], y[rows])))
    found = measured(operator)
    try:
        operator.matvec(
            torch.full((operator.shape[0],), 1.0).double() * torch.randn(operator.shape[0]).double().add(rank)
        )
        found["differs"] = torch.zeros(1)
    except MeasurementError:
        found["differs"] = torch.ones(1)
    broken = HessianOperator(ddp, cross_entropy, (x[rows] * (torch.nan if rank == 1 else 1), y[rows]))
    try:
        AllReduced(broken).matvec(torch.ones(operator.shape[0]).double())
        found["alone"] = torch.zeros(1)
    except MeasurementError as problem:
        found["alone"] = torch.tensor([2.0 if "inputs: the loss" in str(problem) else 1.0])
    ignoring = AllReduced(HessianOperator(ddp, cross_entropy, (x[rows], partly_ignored(y)[rows])))
    found["ignoring"] = torch.cat([ignoring.matvec(torch.ones(operator.shape[0]).double()), ignoring.gradient()])
    found["agreed"] = torch.tensor([float(operator.agreed(10 + rank))])
    found["sharded"] = torch.tensor([float(sharded_is_refused())])
    torch.save(found, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


def sharded_is_refused() -> bool:
    sharded = model()
    fsdp.fully_shard(sharded, mesh=init_device_mesh("cpu", (2,)))
    try:
        HessianOperator(sharded, cross_entropy, data())
    except MeasurementError as problem:
        return str(problem).startswith("0.weight: a sharded") and "AllReduced" in str(problem)
    return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_two_ranks_equal_one_process_and_each_other(tmp_path: Path) -> None:
    start(worker, free_port(), str(tmp_path), ranks=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    alone = measured(HessianOperator(model(), cross_entropy, data()))
    for name, value in alone.items():
        assert torch.equal(first[name], second[name])
        assert torch.allclose(first[name], value, rtol=1e-6)
    assert first["differs"] == second["differs"] == 1
    assert (first["alone"], second["alone"]) == (1, 2)  # a rank that fails does not leave the other one waiting
    whole = HessianOperator(model(), cross_entropy, (data()[0], partly_ignored(data()[1])))
    ignoring = torch.cat([whole.matvec(torch.ones(whole.shape[0]).double()), whole.gradient()])
    assert torch.allclose(first["ignoring"], ignoring, rtol=1e-9)
    assert first["agreed"] == second["agreed"] == 10
    assert first["sharded"] == second["sharded"] == 1


def test_without_a_process_group_it_says_so() -> None:
    with pytest.raises(InputError, match="init_process_group"):
        AllReduced(HessianOperator(model(), cross_entropy, data()))


def test_a_centred_covariance_is_refused(tmp_path: Path) -> None:
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        with pytest.raises(InputError, match="no mean over samples"):
            AllReduced(gradient_covariance(model(), cross_entropy, data()))  # type: ignore[arg-type]
    finally:
        dist.destroy_process_group()
