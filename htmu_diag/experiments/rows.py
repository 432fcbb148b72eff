"""The finished units of a sweep as rows, and means over seeds with their intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student

from htmu_diag.experiments.claims import result
from htmu_diag.experiments.plan import Sweep

__all__ = ["Mean", "Row", "mean_of", "rows_of", "settings"]


@dataclass(frozen=True)
class Row:
    """One finished unit. error: why it failed, empty for one that did not."""

    unit: str
    arm: str
    values: Mapping[str, Any]
    seed: int
    numbers: Mapping[str, float]
    curves: Mapping[str, Sequence[tuple[float, float]]]
    seconds: float = math.nan
    error: str = ""

    def number(self, tag: str) -> float:
        """A number of the run, or a setting of it by its key; NaN for what it has not."""
        if tag in self.numbers:
            return float(self.numbers[tag])
        value = self.values.get(tag)
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan


@dataclass(frozen=True)
class Mean:
    """Over n seeds: the mean with its 95 % interval by Student's t; NaN ends for a single one."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        if not math.isfinite(self.value):
            return "-"
        return (
            f"{self.value:.3g}"
            if not math.isfinite(self.low)
            else f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"
        )


def rows_of(sweep: Sweep, out: Path) -> list[Row]:
    """Every unit that has ended, in the sweep's order."""
    found = []
    for unit in sweep.units:
        content = result(out, unit.name)
        if content is not None:
            numbers, curves = content.get("numbers", {}), content.get("curves", {})
            seconds, error = float(content.get("seconds", math.nan)), str(content.get("error", ""))
            found.append(Row(unit.name, unit.arm, unit.values, unit.seed, numbers, curves, seconds, error))
    return found


def settings(rows: Iterable[Row], keys: Sequence[str]) -> dict[tuple[Any, ...], list[Row]]:
    """Rows that differ in nothing but the seed, by their values of these keys, in order of appearance."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(_plain(row.values.get(key)) for key in keys), []).append(row)
    return groups


def mean_of(rows: Sequence[Row], tag: str) -> Mean:
    """Of one number over rows; runs without it are left out."""
    values = np.array([row.number(tag) for row in rows])
    values = values[np.isfinite(values)]
    if not values.size:
        return Mean(math.nan, math.nan, math.nan, 0)
    mean = float(values.mean())
    if values.size < 2:
        return Mean(mean, math.nan, math.nan, 1)
    half = float(student.ppf(0.975, values.size - 1) * values.std(ddof=1) / math.sqrt(values.size))
    return Mean(mean, mean - half, mean + half, int(values.size))


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
