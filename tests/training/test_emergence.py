"""What the toolkit is for: layers are random at the start, and heavy-tailed or spiked once they have learned."""

from __future__ import annotations

from pathlib import Path

import pytest

import htmu_diag
from htmu_diag.config import load_config
from htmu_diag.storage import Run
from htmu_diag.training import train

CONFIG = Path(__file__).parents[2] / "configs" / "digits_mlp.yaml"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The demo's configuration, its first 200 steps."""
    folder = tmp_path_factory.mktemp("emergence") / "run"
    train(load_config(CONFIG, ["--steps=200", "--monitor.every=200", "--device=cpu"]), folder)
    return htmu_diag.load_run(folder)


def test_an_untrained_layer_is_random_and_its_alpha_is_that_of_noise(run: Run) -> None:
    for diagnosis in run.diagnose(0).diagnoses:
        numbers = diagnosis.numbers
        assert diagnosis.verdict == "random-like"
        assert numbers["bulk_p"] > 0.1
        assert numbers["spikes"] == 0
        assert abs(numbers["alpha"] - numbers["alpha_noise"]) < 3 * numbers["alpha_stderr"]


def test_a_trained_layer_departs_from_noise(run: Run) -> None:
    distances = []
    for diagnosis in run.diagnose(200).diagnoses:
        numbers = diagnosis.numbers
        assert diagnosis.verdict != "random-like"
        assert numbers["spikes"] >= 5
        assert numbers["kappa"] < 5
        distances.append((numbers["alpha_noise"] - numbers["alpha"]) / numbers["alpha_stderr"])
    assert (
        min(distances) > 1
    )  # beside noise above the same quantile no layer is far from it by itself, all together are
    assert sum(distances) / len(distances) ** 0.5 > 3
