"""A device that is nearly full: what does not fit costs itself, and the training goes on as if nobody looked."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import htmu_diag
from tests.gpu.marks import CUDA, GPU

pytestmark = [*GPU, pytest.mark.filterwarnings("ignore")]
WIDTH = 4096  # 64 MB a matrix


@pytest.fixture
def narrow() -> Iterator[None]:
    """What is taken by now and 1.2 GB more is all that this process gets."""
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 1.2e9) / total)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()


@pytest.mark.usefixtures("narrow")
def test_a_training_with_little_memory_left_is_not_ended_by_measuring(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 10)).to(CUDA)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    batch = torch.randn(64, WIDTH, device=CUDA), torch.randint(10, (64,), device=CUDA)
    probes = ["weights", "hessian"]
    with htmu_diag.watch(
        model, optimizer, log_dir=tmp_path, every=2, probes=probes, batch=batch, loss_fn=F.cross_entropy, sinks=[]
    ):
        for _ in range(4):
            optimizer.zero_grad()
            F.cross_entropy(model(batch[0]), batch[1]).backward()
            optimizer.step()
    run = htmu_diag.load_run(tmp_path)
    assert run.steps == (0, 2, 4)
    for step in run.steps:
        assert sum(spectrum.source.kind == "weights" for spectrum in run.spectra(step)) == 2
        measured = any(spectrum.source.kind == "hessian" for spectrum in run.spectra(step))
        said = [str(event) for at, event in run.events() if at == step]
        assert measured or any("hessian" in sentence for sentence in said), said
