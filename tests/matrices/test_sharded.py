"""A model shared by two ranks gives the matrices of the whole one, and so does the checkpoint that they write.

Rows fall into unequal shards, and of the layer with one output the second rank holds none.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.checkpoint.state_dict_saver import save
from torch.distributed.device_mesh import init_device_mesh
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import parametrizations

from htmu_diag.matrices import Inventory, checkpoint_matrices, matrices
from tests.forked import start
from tests.later import Later

pytestmark = pytest.mark.xdist_group("ranks")  # one process to fork from

RANKS = 2
fsdp, tp = Later("torch.distributed.fsdp"), Later("torch.distributed.tensor.parallel")


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.fc, self.down = nn.Embedding(11, 6), nn.Linear(6, 7), nn.Linear(7, 6)
        self.attention, self.conv = nn.MultiheadAttention(6, 2), nn.Conv2d(3, 5, 2)
        self.lstm, self.experts = nn.LSTM(6, 3), nn.Parameter(torch.randn(3, 4, 5))
        self.normed = parametrizations.weight_norm(nn.Linear(6, 1))
        self.bounded = parametrizations.spectral_norm(nn.Linear(6, 4))
        self.head = nn.Linear(6, 11, bias=False)
        self.head.weight = self.embed.weight


def whole() -> Net:
    torch.manual_seed(0)
    return Net()


def assert_same(found: Inventory, expected: Inventory) -> None:
    assert found.names == expected.names
    for matrix in expected:
        torch.testing.assert_close(found[matrix.name].read(), matrix.read(), rtol=1e-5, atol=1e-6, msg=matrix.name)


def on_one_rank(rank: int, folder: Path) -> None:
    warnings.simplefilter("ignore")
    dist.init_process_group("gloo", rank=rank, world_size=RANKS, init_method=f"file://{folder / 'meeting'}")
    mesh, expected = init_device_mesh("cpu", (RANKS,)), matrices(whole())
    model = whole()
    fsdp.fully_shard(model.fc, mesh=mesh)
    fsdp.fully_shard(model, mesh=mesh)
    assert_same(matrices(model), expected)
    assert_same(matrices(DistributedDataParallel(whole())), expected)
    parallel = tp.parallelize_module(whole(), mesh, {"fc": tp.ColwiseParallel(), "down": tp.RowwiseParallel()})
    assert_same(matrices(parallel), expected)
    save({"app": {"model": model.state_dict(), "optim": {"m": model.fc.weight}}}, checkpoint_id=folder / "dcp")
    dist.destroy_process_group()


def test_shards_are_gathered_and_read_back_as_the_whole_model(tmp_path: Path) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    start(on_one_rank, tmp_path, ranks=RANKS)
    stored = checkpoint_matrices(tmp_path / "dcp")
    assert_same(stored, matrices(whole()))
    reasons = {skip.name: skip.reason for skip in stored.skipped}
    assert reasons["head.weight"] == "tied to embed.weight, which is measured once under that name"
