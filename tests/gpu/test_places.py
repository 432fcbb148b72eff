"""Models that lie on two devices, hold generators of the device, or have parameters of short types."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import htmu_diag
from htmu_diag.model.quiet import quiet
from htmu_diag.probes import registry
from tests.gpu.marks import CUDA, GPU

pytestmark = [*GPU, pytest.mark.filterwarnings("ignore")]


class Split(nn.Module):
    """The first half on the host, the second on the device."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(20, 32), nn.Linear(32, 5).to(CUDA)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.second(self.first(inputs.to(self.first.weight.device)).tanh().to(CUDA))
        return found


class Noisy(nn.Module):
    """Draws from a generator of its own, of the device."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 4).to(CUDA)
        self.random = torch.Generator(CUDA).manual_seed(3)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.linear(inputs + torch.randn(inputs.shape, generator=self.random, device=CUDA))
        return found


def measured(model: nn.Module, folder: Path, **choices: Any) -> list[Any]:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with htmu_diag.watch(model, optimizer, log_dir=folder, every=[0], sinks=[], **choices):
        pass
    return list(htmu_diag.load_run(folder).spectra(0))


def test_a_weight_is_measured_on_the_device_where_it_lies(tmp_path: Path) -> None:
    found = {spectrum.source.name: spectrum.values for spectrum in measured(Split(), tmp_path, probes=["weights"])}
    for name, weight in (("first.weight", Split().first.weight), ("second.weight", Split().second.weight)):
        exact = np.linalg.svd(weight.detach().cpu().double().numpy(), compute_uv=False)[::-1] ** 2
        assert np.allclose(found[name] / found[name].sum(), exact / exact.sum(), rtol=1e-10)


@pytest.mark.parametrize("probe", sorted(set(registry) - {"weights", "trajectory"}))
def test_a_model_on_two_devices_is_measured_as_on_one(probe: str, tmp_path: Path) -> None:
    """Each layer on a device of its own, and the batch where the first one wants it."""
    inputs, targets = torch.randn(24, 20), torch.randint(5, (24,))
    choices = {"probes": [probe], "loss_fn": F.cross_entropy, "strict": True}
    split = measured(Split(), tmp_path / "split", batch=(inputs, targets.to(CUDA)), **choices)
    one = Split()
    one.first.to(CUDA)
    whole = measured(one, tmp_path / "one", batch=(inputs.to(CUDA), targets.to(CUDA)), **choices)
    assert [spectrum.source for spectrum in split] == [spectrum.source for spectrum in whole]
    for found, expected in zip(split, whole, strict=True):
        assert found.moment(1) == pytest.approx(expected.moment(1), rel=1e-3, abs=1e-6)


def test_the_path_of_a_model_on_two_devices_is_that_of_one(tmp_path: Path) -> None:
    found = []
    for name, place in (("split", torch.device("cpu")), ("one", CUDA)):
        model = Split()
        model.first.to(place)
        torch.manual_seed(1)
        inputs, targets = torch.randn(24, 20), torch.randint(5, (24,), device=CUDA)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        with htmu_diag.watch(model, optimizer, log_dir=tmp_path / name, every=4, probes=["trajectory"], sinks=[]):
            for _ in range(8):
                optimizer.zero_grad()
                F.cross_entropy(model(inputs), targets).backward()
                optimizer.step()
        found.append(htmu_diag.load_run(tmp_path / name).spectra(8))
    for one, other in zip(*found, strict=True):
        assert np.allclose(one.values, other.values, rtol=1e-4)


def test_a_generator_of_the_device_is_where_it_was() -> None:
    model = Noisy()
    before = model.random.get_state(), torch.cuda.get_rng_state()
    with quiet(model):
        model(torch.randn(6, 8, device=CUDA))
        assert not torch.equal(model.random.get_state(), before[0])
    assert torch.equal(model.random.get_state(), before[0])
    assert torch.equal(torch.cuda.get_rng_state(), before[1])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2], ids=str)
def test_short_types_are_measured_as_the_numbers_that_they_hold(dtype: torch.dtype, tmp_path: Path) -> None:
    model = nn.Linear(48, 96, bias=False, device=CUDA)
    model.weight = nn.Parameter(model.weight.detach().to(dtype), requires_grad=dtype.itemsize > 1)
    with htmu_diag.watch(model, log_dir=tmp_path, every=[0], sinks=[]):
        pass
    found = htmu_diag.load_run(tmp_path).spectra(0)[0].values
    exact = np.linalg.svd(model.weight.detach().double().cpu().numpy(), compute_uv=False)[::-1] ** 2
    assert np.allclose(found / found.sum(), exact / exact.sum(), rtol=1e-10)


def test_a_checkpoint_of_the_device_is_read_where_there_is_none(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(40, 64), nn.Tanh(), nn.Linear(64, 30)).to(CUDA)
    torch.save(model.state_dict(), tmp_path / "model.pt")
    on_host = {name: tensor.cpu() for name, tensor in model.state_dict().items()}
    found, expected = htmu_diag.analyze(tmp_path / "model.pt"), htmu_diag.analyze(on_host)
    for one, other in zip(found.spectra, expected.spectra, strict=True):
        assert one.source.name == other.source.name
        assert np.array_equal(one.values, other.values)
