"""One rule for what wraps a model, and no import to find out whether a parameter is sharded."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from htmu_diag.model.wrappers import is_sharded, local_part, unwrap

INNER = torch.nn.Linear(3, 2)


class Engine(torch.nn.Module):
    """Holds a model as wrappers do."""

    def __init__(self, name: str, inner: torch.nn.Module) -> None:
        super().__init__()
        setattr(self, name, inner)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda inner: inner,
        torch.compile,
        torch.nn.DataParallel,
        lambda inner: torch.compile(torch.nn.DataParallel(torch.compile(inner))),
        lambda inner: Engine("_fsdp_wrapped_module", inner),
        lambda inner: Engine("_checkpoint_wrapped_module", Engine("_forward_module", inner)),
    ],
)
def test_the_model_inside_is_found(wrap: Callable[[torch.nn.Module], torch.nn.Module]) -> None:
    assert unwrap(wrap(INNER)) is INNER


def test_a_child_called_module_is_no_wrapper() -> None:
    model = Engine("module", INNER)
    assert unwrap(model) is model


def test_a_shard_is_told_from_a_tensor() -> None:
    from torch.distributed.tensor import DTensor, Replicate, Shard, init_device_mesh

    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        mesh = init_device_mesh("cpu", (1,))
        for placement in (Shard(0), Replicate()):
            shard = DTensor.from_local(torch.ones(2, 3), mesh, [placement])
            model = torch.nn.ParameterList([torch.nn.Parameter(shard)])
            assert is_sharded(shard)
            assert is_sharded(model)
            assert is_sharded([torch.ones(1), shard])
            assert type(local_part(shard)) is torch.Tensor
    finally:
        dist.destroy_process_group()
    assert not is_sharded(INNER)
    assert local_part(INNER.weight) is INNER.weight


def test_watching_imports_no_dtensor() -> None:
    code = "import sys, htmu_diag; htmu_diag.watch; htmu_diag.analyze; print('torch.distributed.tensor' in sys.modules)"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.strip() == "False"
