"""The finished units of a sweep as rows, and means over seeds with their intervals."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student

from htmu_diag.analysis.numbers import LARGEST_KAPPA
from htmu_diag.experiments.claims import result
from htmu_diag.experiments.plan import Sweep

__all__ = ["Mean", "Row", "mean_of", "rows_of", "settings", "value_words"]

_KAPPA = re.compile(r"(?<!log)_kappa(_bulk)?(_median)?(/|$)")  # weights_kappa/fc1.weight, summary/weights_kappa_median


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
    """Over n seeds: the mean with its 95 % interval by Student's t; NaN ends for a single one.

    noise: how many of them are a kappa of noise, which has no number. lacking: runs without the number.
    """

    value: float
    low: float
    high: float
    n: int
    noise: int = 0
    lacking: int = 0

    def __str__(self) -> str:
        if not math.isfinite(self.value):
            return "-"
        counted = f" ({self.n} of {self.n + self.lacking})" if self.lacking else ""
        if self.noise == self.n:
            return f"noise{counted}"
        if self.noise:
            return f"noise in {self.noise} of {self.n}{counted}"
        interval = f" [{self.low:.3g}, {self.high:.3g}]" if math.isfinite(self.low) else ""
        return f"{self.value:.3g}{interval}{counted}"


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
    """Of one number over rows; runs without it are left out, and counted."""
    values = np.array([row.number(tag) for row in rows])
    lacking = int(np.count_nonzero(~np.isfinite(values)))
    values = values[np.isfinite(values)]
    if not values.size:
        return Mean(math.nan, math.nan, math.nan, 0, lacking=lacking)
    noise = sum(_is_of_noise(tag, value) for value in values)
    mean = float(values.mean())
    if values.size < 2:
        return Mean(mean, math.nan, math.nan, 1, noise, lacking)
    half = float(student.ppf(0.975, values.size - 1) * values.std(ddof=1) / math.sqrt(values.size))
    return Mean(mean, mean - half, mean + half, int(values.size), noise, lacking)


def value_words(tag: str, value: float) -> str:
    """A number as its tag reads it: a kappa of noise has none.

    >>> value_words("weights_kappa/fc1.weight", 10404.6), value_words("train/loss", 0.25)
    ('noise', '0.25')
    """
    return "noise" if _is_of_noise(tag, value) else f"{value:.3g}"


def _is_of_noise(tag: str, value: float) -> bool:
    return value >= LARGEST_KAPPA and _KAPPA.search(tag) is not None


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
