"""A script that set another default device or type is measured like any other."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import htmu_diag
from htmu_diag.probes import registry
from tests.gpu.marks import GPU
from tests.gpu.training import trained, watched

pytestmark = GPU


@pytest.fixture
def on_the_device() -> Iterator[None]:
    torch.set_default_device("cuda")
    yield
    torch.set_default_device(None)


def told(folder: Path) -> list[tuple[float, float, float]]:
    """Of each spectrum its mean, its second moment, and its largest value: nodes of a quadrature may merge."""
    return [(s.moment(1), s.moment(2), float(s.values[-1])) for s in htmu_diag.load_run(folder).spectra(0)]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("on_the_device")
def test_every_probe_runs_under_a_default_device(tmp_path: Path) -> None:
    trained(watched(tmp_path, *sorted(registry)))
    assert htmu_diag.load_run(tmp_path).steps == (0, 2, 4, 6, 8)
    assert str(torch.get_default_device()).startswith("cuda")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_every_probe_gives_the_same_under_a_default_type(dtype: torch.dtype, tmp_path: Path) -> None:
    """The model is made in float32 as before; only what the code makes without a type would change."""
    probes = [name for name in sorted(registry) if name != "trajectory"]
    trained(watched(tmp_path / "plain", *probes, every=[0]))
    before = torch.get_default_dtype()

    def watching(*given: object) -> object:
        torch.set_default_dtype(dtype)
        try:
            return watched(tmp_path / "other", *probes, every=[0])(*given)  # measures at step 0
        finally:
            torch.set_default_dtype(before)

    trained(watching)
    for one, other in zip(told(tmp_path / "plain"), told(tmp_path / "other"), strict=True):
        assert np.allclose(one, other, rtol=2e-3, atol=1e-9)
