"""Correlations of runs: baselines, confounders and Simpson's paradox, on tables whose truth is known."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from htmu_diag.cli import main
from htmu_diag.errors import InputError
from htmu_diag.experiments.correlate import Observed, correlate, read_runs
from htmu_diag.experiments.correlate_text import as_text


def _paradox(rng: np.random.Generator) -> list[Observed]:
    """The target falls with size; the metric rises with size, and with the target within a size."""
    runs = []
    for size in range(6):
        for noise in range(8):
            target = noise / 10 - size + 0.01 * rng.standard_normal()
            numbers = {"run/parameters": 10.0**size, "test/accuracy": target, "summary/m": 3 * size + noise / 10}
            numbers["summary/none"] = rng.standard_normal()
            runs.append(Observed(f"{size}-{noise}", numbers, {}, {"size": size, "noise": noise}))
    return runs


def test_simpsons_paradox_is_seen_in_the_view_of_one_setting() -> None:
    found = correlate(_paradox(np.random.default_rng(0)), "test/accuracy")
    over = {one.metric: one for one in found.over}
    alone = {one.metric: one for one in found.factors["noise"]}
    assert over["summary/m"].tau < -0.5
    assert alone["summary/m"].tau > 0.9
    assert over["run/parameters"].tau < -0.8
    assert over["summary/m"].partial > 0.5  # given the size, the sign turns
    assert abs(over["summary/none"].tau) < 0.3
    assert over["summary/none"].p_corrected > 0.05
    text = as_text(found)
    assert "run/parameters (baseline)" in text
    assert "Simpson's paradox" in text
    assert "summary/m (noise)" in text


def test_too_few_runs_with_the_target_ask_for_more_and_a_mistyped_target_for_another() -> None:
    runs = [Observed(str(run), {"test/accuracy": run / 4}, {}) for run in range(4)]
    with pytest.raises(InputError, match=r"4 of 4 runs have it, five are needed; name more runs"):
        correlate(runs, "test/accuracy")
    with pytest.raises(InputError, match=r"0 of 4 runs .* did you mean 'test/accuracy'"):
        correlate(runs, "test/acuracy")


def test_within_runs_only_pairs_of_one_run_count() -> None:
    runs = []
    for run in range(5):
        target = [(step, step / 10 - run) for step in range(6)]
        metric = [(step, step + 100.0 * run) for step in range(6)]
        numbers = {"test/accuracy": target[-1][1], "summary/m": metric[-1][1]}
        runs.append(Observed(str(run), numbers, {"test/accuracy": target, "summary/m": metric}))
    found = correlate(runs, "test/accuracy")
    assert found.over[0].tau == pytest.approx(-1)
    assert found.within[0].tau == pytest.approx(1)


def test_a_table_of_runs_is_read_and_a_missing_target_is_met_with_what_there_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "models.csv"
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["run", "family", "alpha", "error"])
        writer.writerows([[f"m{i}", "a" if i % 2 else "b", 2 + i / 10, 5 - i] for i in range(8)])
    assert main(["correlate", str(path), "--target", "error", "--metrics", "alpha"]) == 0
    told = capsys.readouterr().out
    assert "| alpha  | -1.00" in told
    assert "family" in told
    assert main(["correlate", str(path), "--target", "error", "--metrics", "alpha", "--json"]) == 0
    strict = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert strict["over"][0]["partial"] is None
    with pytest.raises(InputError, match="alpha, error"):
        correlate(read_runs([str(path)]), "test/accuracy")
    assert main(["correlate", str(tmp_path), "--target", "x"]) == 2


def test_a_metric_that_no_run_has_is_an_error_and_not_an_emptier_table() -> None:
    runs = [Observed(str(run), {"test/accuracy": run / 9, "summary/m": run % 3}, {}) for run in range(9)]
    with pytest.raises(InputError, match=r"no number of these runs matches 'summery/m'; did you mean 'summary/m'"):
        correlate(runs, "test/accuracy", metrics=["summary/*", "summery/m"])


def test_without_baselines_nothing_is_said_to_beat_one_and_settings_without_pairs_have_no_column() -> None:
    runs = [
        Observed(str(run), {"test/accuracy": run / 9, "summary/m": run}, {}, {"a": run // 2, "b": (run + 1) // 2})
        for run in range(10)
    ]
    assert "1 of 1 metrics go with test/accuracy beyond chance; no baseline is known; no control is known." in as_text(
        correlate(runs, "test/accuracy")
    )
    alone = [Observed(run.run, run.numbers, {}, {**run.settings, "c": f"{int(run.run) % 9}"}) for run in runs]
    assert correlate(alone, "test/accuracy").factors == {}
