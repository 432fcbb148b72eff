"""Means over seeds as they are read: kappas of noise have no number, runs without a number are counted."""

import math
from typing import Any

import pytest

from htmu_diag.experiments.expect import judge
from htmu_diag.experiments.rows import Row, mean_of

KAPPA = "weights_kappa/fc1.weight"


def rows(tag: str, *values: float) -> list[Row]:
    return [Row(f"run-{seed}", "", {}, seed, {tag: value}, {}) for seed, value in enumerate(values)]


@pytest.mark.parametrize(
    ("tag", "values", "said"),
    [
        ("train/loss", (2.0, 2.0), "2 [2, 2]"),
        ("train/loss", (2.0,), "2"),
        ("train/loss", (2.0, 2.0, math.nan), "2 [2, 2] (2 of 3)"),
        ("train/loss", (math.nan,), "-"),
        (KAPPA, (2.0, 2.0), "2 [2, 2]"),
        (KAPPA, (10404.6, 10404.6), "noise"),
        (KAPPA, (10404.6, 10404.6, 2.0), "noise in 2 of 3"),
        (KAPPA, (10404.6, math.nan), "noise (1 of 2)"),
        ("summary/weights_kappa_median", (10404.6,), "noise"),
        ("weights_kappa_bulk/fc1.weight", (10404.6,), "noise"),
        ("weights_log_kappa/fc1.weight", (4.02,), "4.02"),
        ("weights_lambda_max/kappa", (2e4,), "2e+04"),
    ],
)
def test_a_mean_is_said_as_the_number_is_said_elsewhere(tag: str, values: tuple[float, ...], said: str) -> None:
    assert str(mean_of(rows(tag, *values), tag)) == said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"number": "train/los", "against": "x", "within": 1.5}, "train/los: no run has this number; did you mean"),
        ({"number": "train/los", "against": "x", "trend": "rises"}, "train/los: no run has this number"),
        ({"number": "train/loss", "like": "test/accuracy"}, "test/accuracy: no run has this number"),
        ({"number": "train/loss", "against": "x", "within": 1.5}, "a factor needs means above 0, not -1, 2"),
        ({"number": "train/loss", "against": "seed", "within": 1.5}, "a factor needs two means, not 0.5"),
    ],
)
def test_a_line_about_a_number_that_is_not_there_says_so(line: dict[str, Any], said: str) -> None:
    found = [Row("a", "", {"x": 1}, 0, {"train/loss": -1.0}, {}), Row("b", "", {"x": 2}, 0, {"train/loss": 2.0}, {})]
    verdict = judge(line, found, ["x"])
    assert verdict.holds is None
    assert said in verdict.sentence


def test_the_bounds_of_kappas_of_noise_have_no_number() -> None:
    assert "between noise and noise" in judge({"number": KAPPA, "least": 100}, rows(KAPPA, 10404.6), []).sentence


@pytest.mark.parametrize("trend", ["rises", "falls", "none"])
@pytest.mark.parametrize(
    ("x", "judged"),
    [([1, 2, 3, 4], False), ([1, 1, 1, 2, 2, 2], False), ([1, 2, 3, 4, 5], True), ([1, 1, 1, 1, 2, 2, 2, 2], True)],
)
def test_a_trend_is_judged_only_where_runs_could_show_one(x: list[int], judged: bool, trend: str) -> None:
    """Of 4! orders, and of 20 of two settings with three seeds, two are as extreme as a perfect one: p 0.08, 0.1."""
    found = [Row(str(place), "", {"x": at}, place, {"y": float(place)}, {}) for place, at in enumerate(x)]
    verdict = judge({"number": "y", "against": "x", "trend": trend}, found, ["x"])
    assert verdict.holds is ({"rises": True, "falls": False, "none": False}[trend] if judged else None)
    assert ("too few" in verdict.sentence) != judged
