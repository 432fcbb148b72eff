"""A job of one process over NCCL: DDP and FSDP2 are watched as they are on the host."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn import functional as F

import htmu_diag
from tests.gpu.marks import CUDA, GPU

pytestmark = [*GPU, pytest.mark.filterwarnings("ignore")]
PROBES = ("weights", "trajectory", "hessian", "fisher", "conjugate_kernel")


@pytest.fixture
def job(tmp_path: Path) -> Iterator[None]:
    store = dist.FileStore(str(tmp_path / "store"), 1)
    dist.init_process_group("nccl", store=store, rank=0, world_size=1, device_id=torch.device("cuda", 0))
    yield
    dist.destroy_process_group()


def plain() -> nn.Module:
    torch.manual_seed(4)
    return nn.Sequential(nn.Linear(24, 64), nn.Tanh(), nn.Linear(64, 48), nn.Tanh(), nn.Linear(48, 4)).to(CUDA)


def replicated() -> nn.Module:
    return nn.parallel.DistributedDataParallel(plain(), device_ids=[0])


def sharded() -> nn.Module:
    from torch.distributed.fsdp import fully_shard

    model = plain()
    for layer in model:
        if isinstance(layer, nn.Linear):
            fully_shard(layer)
    return fully_shard(model)


def trained(model: nn.Module, folder: Path | None, *probes: str) -> list[float]:
    torch.manual_seed(5)
    inputs, targets = torch.randn(32, 24, device=CUDA), torch.randint(4, (32,), device=CUDA)
    optimizer, losses = torch.optim.AdamW(model.parameters(), lr=1e-2), []

    def step() -> None:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

    if folder is None:
        for _ in range(6):
            step()
        return losses
    given: dict[str, Any] = {"probes": list(probes), "batch": (inputs, targets), "loss_fn": F.cross_entropy}
    with htmu_diag.watch(model, optimizer, log_dir=folder, every=3, sinks=[], **given):
        for _ in range(6):
            step()
    return losses


@pytest.mark.usefixtures("job")
@pytest.mark.parametrize("probes", [("weights", "trajectory"), PROBES], ids=len)
@pytest.mark.parametrize("made", [replicated, sharded])
def test_a_model_of_the_job_is_measured_like_the_plain_one(made: Any, probes: tuple[str, ...], tmp_path: Path) -> None:
    losses = trained(made(), tmp_path / "job", *probes)
    assert losses == trained(made(), None)
    trained(plain(), tmp_path / "plain", *probes)
    run, other = htmu_diag.load_run(tmp_path / "job"), htmu_diag.load_run(tmp_path / "plain")
    assert run.steps == other.steps == (0, 3, 6)
    whole = {(s.source.kind, s.source.name.removeprefix("module.")): s for s in other.spectra(0)}
    measured = [s for s in run.spectra(0) if s.source.kind == "weights"]
    assert len(measured) == 3
    for spectrum in measured:
        same = whole[spectrum.source.kind, spectrum.source.name.removeprefix("module.")]
        assert np.allclose(spectrum.values, same.values, rtol=1e-12)
