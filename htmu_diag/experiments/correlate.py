"""Metrics against performance: a table of runs in, rank correlations with their confounders out.

Runs come as run folders, as a sweep's folder or as a table (CSV; one row a run, or a run and step in columns of these
names). Over runs, each run counts once, by its last step; within runs, the pairs are the steps of one run.
Trivial numbers (parameters, depth, distance travelled, learning rate, training loss) are in the table as baselines, so
that a metric is never praised for telling large models from small ones; the *factors* view restricts the pairs to runs
that differ in one setting only, which is where Simpson's paradox shows.
"""

from __future__ import annotations

import csv
import fnmatch
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from htmu_diag.errors import InputError
from htmu_diag.experiments.claims import RESULTS
from htmu_diag.experiments.work import numbers_of_run
from htmu_diag.files import storage_errors
from htmu_diag.fits.rank_correlation import FEWEST, RankCorrelation, rank_correlations
from htmu_diag.nearest import did_you_mean
from htmu_diag.plain_files import read_json
from htmu_diag.spectrum import Floats
from htmu_diag.storage import load_run

__all__ = ["Correlations", "Observed", "correlate", "read_runs"]

DISTANCE = "summary/weights_distance_mean"
BASELINES = (
    "run/parameters",
    "run/depth",
    DISTANCE,
    "temperature/lr_steps",
    "temperature/lr_over_batch",
    "train/loss",
    "train/accuracy",
)
CONTROLS = ("run/parameters", "run/depth", DISTANCE, "train/loss")


@dataclass(frozen=True)
class Observed:
    """One run. numbers: at its end. curves: tag -> [(step, value)]. settings: what was varied, by dotted key."""

    run: str
    numbers: Mapping[str, float]
    curves: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Correlations:
    """over: every metric and baseline over runs. within: over the steps of each run. factors: setting -> over the pairs
    of runs that differ in that setting only. baselines, controls: the names among them. runs: how many.
    """

    target: str
    over: tuple[RankCorrelation, ...]
    within: tuple[RankCorrelation, ...]
    factors: Mapping[str, tuple[RankCorrelation, ...]]
    baselines: tuple[str, ...]
    controls: tuple[str, ...]
    runs: int


def correlate(
    runs: Sequence[Observed], target: str, *, metrics: Sequence[str] = ("summary/*",), seed: int = 0
) -> Correlations:
    """Every number whose name matches one of the globs, and every baseline there is, against the target.

    Raises InputError for fewer than five runs with the target, for a target that no run has, and for a glob that
    matches no number.
    """
    known = [run for run in runs if math.isfinite(run.numbers.get(target, math.nan))]
    if len(known) < FEWEST:
        few = f"{target}: {len(known)} of {len(runs)} runs have it, five are needed"
        raise InputError(f"{few}; {_remedy(runs, target)}")
    names = _names(known, target, metrics)
    table = {name: np.array([run.numbers.get(name, math.nan) for run in known]) for name in names}
    y = np.array([run.numbers[target] for run in known])
    controls = {name: table[name] for name in CONTROLS if name in table and _varies(table[name])}
    rng = np.random.default_rng(seed)
    over = rank_correlations(table, y, controls, rng=rng)
    factors = {key: column for key in _varied(known) if _known(column := _factor(known, key, table, y, rng))}
    baselines = tuple(name for name in BASELINES if name in table)
    return Correlations(
        target, tuple(over), _within(known, names, target, rng), factors, baselines, tuple(controls), len(known)
    )


def _remedy(runs: Sequence[Observed], target: str) -> str:
    """More runs where the target is known, else a tag that is there."""
    tags = sorted({tag for run in runs for tag in run.numbers})
    if target in tags:
        return "name more runs, or the folder that holds them"
    near = [tag for tag in tags if target.split("/")[-1] in tag][:5] or tags[:8]
    return did_you_mean(target, tags, f"there are {', '.join(near)}")


def read_runs(paths: Sequence[str]) -> list[Observed]:
    """Runs behind these paths: run folders, folders of a sweep, folders that hold run folders, or CSV tables.

    Raises InputError for a path that is none of these.
    """
    return [observed for path in paths for observed in _read(Path(path))]


def _read(path: Path) -> Iterator[Observed]:
    if path.is_file():
        yield from _from_table(path)
    elif (path / RESULTS).is_dir():
        yield from _from_sweep(path)
    elif (path / "records").is_dir() or (path / "run.json").exists():
        yield _from_run(path)
    else:
        inside = sorted(child.parent for child in path.glob("*/run.json"))
        if not inside:
            raise InputError(f"{path}: neither a run, nor a sweep, nor a folder of runs, nor a CSV table")
        yield from map(_from_run, inside)


def _from_sweep(path: Path) -> Iterator[Observed]:
    for file in sorted((path / RESULTS).glob("*.json")):
        content = read_json(file)
        if content["status"] == "done":
            yield Observed(file.stem, content["numbers"], content["curves"], content["values"])


def _from_run(path: Path) -> Observed:
    numbers, curves = numbers_of_run(path)
    return Observed(path.name, numbers, curves, dict(_flat(load_run(path).info.get("config", {}))))


def _from_table(path: Path) -> Iterator[Observed]:
    """One row a run, or a run and step; columns that are no numbers are settings."""
    with storage_errors("read", path), open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise InputError(f"{path}: no rows; pass a CSV table with a heading and one row a run")
    groups: dict[str, list[dict[str, str]]] = {}
    for place, row in enumerate(rows):
        groups.setdefault(row.get("run") or str(place), []).append(row)
    for name, members in groups.items():
        ordered = sorted(members, key=lambda row: _value(row.get("step") or "0"))
        columns = [key for key in ordered[-1] if key not in ("run", "step", None)]
        numbers = {key: _value(ordered[-1][key]) for key in columns}
        curves = {
            key: [(_value(row["step"]), _value(row[key])) for row in ordered] if "step" in ordered[0] else []
            for key in columns
        }
        words = {key: ordered[-1][key] for key in columns if math.isnan(numbers[key]) and ordered[-1][key]}
        yield Observed(name, numbers, curves, words)


def _value(text: str) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        return math.nan


def _names(runs: Sequence[Observed], target: str, globs: Sequence[str]) -> list[str]:
    """Baselines first, then what matches; without the target and what is never a number."""
    tags = dict.fromkeys(tag for run in runs for tag, value in run.numbers.items() if math.isfinite(value))
    for glob in globs:
        if not fnmatch.filter(tags, glob):
            others = ", ".join(sorted(tag for tag in tags if tag != target)[:8])
            raise InputError(
                f"no number of these runs matches {glob!r}; {did_you_mean(glob, tags, f'there are {others}')}"
            )
    chosen = [tag for tag in tags if any(fnmatch.fnmatch(tag, glob) for glob in globs) and "_phase_" not in tag]
    return [tag for tag in dict.fromkeys([*(name for name in BASELINES if name in tags), *chosen]) if tag != target]


def _within(
    runs: Sequence[Observed], names: Sequence[str], target: str, rng: np.random.Generator
) -> tuple[RankCorrelation, ...]:
    """Pairs of steps of one run, at steps at which the target is known; empty where no run has five of them."""
    columns: dict[str, list[float]] = {name: [] for name in names}
    y: list[float] = []
    labels: list[int] = []
    for place, run in enumerate(runs):
        at = dict(run.curves.get(target, []))
        if len(at) < FEWEST:
            continue
        curves = {name: dict(run.curves.get(name, [])) for name in names}
        for step, value in at.items():
            y.append(value)
            labels.append(place)
            for name in names:
                columns[name].append(curves[name].get(step, math.nan))
    if not y:
        return ()
    table = {name: np.array(column) for name, column in columns.items() if np.isfinite(column).sum() >= FEWEST}
    return tuple(rank_correlations(table, y, strata=np.array(labels), permutations=499, rng=rng))


def _factor(
    runs: Sequence[Observed], key: str, table: Mapping[str, Floats], y: Floats, rng: np.random.Generator
) -> tuple[RankCorrelation, ...]:
    others = [other for other in _varied(runs) if other != key]
    labels = [json.dumps([_factors(run).get(other) for other in others], default=str) for run in runs]
    return tuple(rank_correlations(table, y, strata=np.array(labels), permutations=499, resamples=200, rng=rng))


def _known(column: Sequence[RankCorrelation]) -> bool:
    """Whether any pair of runs differs in this setting alone."""
    return any(math.isfinite(one.tau) for one in column)


def _varied(runs: Sequence[Observed]) -> list[str]:
    """Settings that differ among the runs."""
    seen: dict[str, set[str]] = {}
    for run in runs:
        for key, value in _factors(run).items():
            seen.setdefault(key, set()).add(str(value))
    return [key for key, values in seen.items() if 1 < len(values) < len(runs)]


def _factors(run: Observed) -> dict[str, Any]:
    """Settings as factors: a list of widths is two, its length and its first entry."""
    found: dict[str, Any] = {}
    for key, value in run.settings.items():
        if isinstance(value, (list, tuple)) and value:
            found |= {f"{key} (how many)": len(value), f"{key} (first)": value[0]}
        else:
            found[key] = value
    return found


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif key != "seed":
            yield f"{prefix}{key}", value


def _varies(column: Floats) -> bool:
    known = column[np.isfinite(column)]
    return known.size == column.size and bool((known != known[0]).any())
