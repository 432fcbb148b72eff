"""What a large matrix costs is said once, before it is paid."""

import pytest
import torch

from htmu_diag.matrices import Matrix
from htmu_diag.probes import StepContext, WeightsProbe
from htmu_diag.probes.price import price_sentence, seconds_of


def matrix(rows: int, columns: int, name: str = "w") -> Matrix:
    return Matrix(name, (rows, columns), "linear", name, lambda: torch.empty(rows, columns))


def test_the_largest_matrix_is_named_with_its_price_and_the_way_out() -> None:
    told = price_sentence([matrix(10, 20), matrix(5000, 5000, "head"), matrix(400, 9000)], lambda largest: 12.3)
    assert "head (5000 x 5000), takes about 12 s" in told
    assert all(word in told for word in ("every=", "'exclude': [", "budget="))


def test_nothing_is_said_or_timed_where_it_is_little() -> None:
    assert price_sentence([matrix(5000, 5000)], lambda largest: 0.9) == ""
    assert price_sentence([], pytest.fail) == price_sentence([matrix(200, 300)], pytest.fail) == ""


def test_the_price_is_measured_and_grows_with_the_cube_of_the_side() -> None:
    """No time is asserted: the ratio is that of the multiplications, but for the scatter of two trials."""
    assert 0 < seconds_of(matrix(1000, 1000)) < seconds_of(matrix(10_000, 10_000))
    assert matrix(2000, 2000).cost == 8 * matrix(1000, 1000).cost


def test_it_is_said_at_the_first_snapshot_only(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("htmu_diag.probes.weights.price_sentence", lambda inventory: "dear")
    context = StepContext(step=0, model=torch.nn.Linear(6, 8), say=said.append)
    probe = WeightsProbe()
    for step in range(3):
        list(probe.capture(context.at(step)))
    assert said == ["dear"]
