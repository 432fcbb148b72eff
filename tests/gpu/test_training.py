"""A training on the device with the monitor and without it: the same bits, whatever runs it."""

from pathlib import Path
from typing import Any

import pytest
import torch

import htmu_diag
from htmu_diag.probes import registry
from tests.gpu.marks import GPU
from tests.gpu.training import trained, unwatched, watched

pytestmark = GPU


@pytest.fixture(autouse=True)
def deterministic(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Two runs without a monitor must be equal first."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    yield
    torch.use_deterministic_algorithms(False)


def assert_same(one: Any, other: Any) -> None:
    torch.testing.assert_close(one, other, rtol=0, atol=0)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "recipe", [{}, {"amp": True}, {"scaler": True}, {"compiled": True}, {"compiled": "reduce-overhead"}], ids=str
)
def test_training_is_bit_identical_with_all_probes_on(recipe: dict[str, Any], tmp_path: Path) -> None:
    plain = trained(unwatched, **recipe)
    assert_same(plain, trained(unwatched, **recipe))
    assert_same(plain, trained(watched(tmp_path, *sorted(registry), strict=False), **recipe))
    assert {0, 2, 4, 6, 8} <= set(htmu_diag.load_run(tmp_path).steps)  # dear ones begin a little later


@pytest.mark.filterwarnings("ignore")
def test_every_probe_measures_a_model_on_the_device(tmp_path: Path) -> None:
    trained(watched(tmp_path, *sorted(registry)))
    kinds = {spectrum.source.kind.value for spectrum in htmu_diag.load_run(tmp_path).spectra(8)}
    assert {"weights", "hessian", "ggn", "fisher", "ntk", "trajectory"} <= kinds
    assert not [event for record in htmu_diag.load_run(tmp_path).records() for event in record.events]


@pytest.mark.filterwarnings("ignore")
def test_watching_a_compiled_model_compiles_nothing(tmp_path: Path) -> None:
    counts = []
    for watching in (unwatched, watched(tmp_path, *sorted(registry), strict=False)):
        torch._dynamo.utils.counters.clear()
        trained(watching, compiled=True)
        counts.append(dict(torch._dynamo.utils.counters["frames"]))
    assert counts[0] == counts[1]
