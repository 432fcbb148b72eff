"""Kendall's tau between many metrics and one target: over all pairs, over chosen pairs, and given other numbers.

Tau is a mean over pairs of runs: +1 for a pair that both order alike, -1 for one that they order differently. A
*stratum* restricts the pairs: to those of one run (within runs), or to those that differ in one hyper-parameter only
(Jiang et al. 2020, "granulated"), so that a metric that tells settings apart is not taken for one that predicts.
Partial tau given controls is the partial correlation of the matrix of taus (Kendall 1942). Testing many metrics is paid
for by the permutation distribution of the largest |tau| among all of them (Westfall & Young 1993, single step).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from htmu_diag.errors import InputError
from htmu_diag.spectrum import Floats

__all__ = ["RankCorrelation", "partial_tau", "rank_correlations", "tau"]

PERMUTATIONS, RESAMPLES = 1999, 400
FEWEST = 5  # runs; the smallest permutation p of 4 is 1/24
_SINGULAR = 1e-6  # controls may repeat each other

Strata = npt.NDArray[np.intp]


@dataclass(frozen=True)
class RankCorrelation:
    """One metric against the target.

    tau: tau-b in [-1, 1]; NaN where the metric or the target does not vary. low, high: 95 % by bootstrap over runs.
    p: chance of a |tau| as large for a target that has nothing to do with the metric; p_corrected: of one as large
    among *all* metrics tested. partial, partial_low, partial_high: tau given the controls. n: runs with both numbers.
    """

    metric: str
    tau: float
    low: float
    high: float
    p: float
    p_corrected: float
    partial: float
    partial_low: float
    partial_high: float
    n: int


def rank_correlations(
    metrics: Mapping[str, npt.ArrayLike],
    target: npt.ArrayLike,
    controls: Mapping[str, npt.ArrayLike] | None = None,
    *,
    strata: npt.ArrayLike | None = None,
    permutations: int = PERMUTATIONS,
    resamples: int = RESAMPLES,
    rng: np.random.Generator | None = None,
) -> list[RankCorrelation]:
    """Every metric (n,) against the target (n,), in the order of the mapping; NaN marks a run without that number.

    controls: numbers (n,) that may explain both. strata: labels (n,); only pairs with equal labels count, targets are
        permuted and resampled within labels (whole labels are resampled where all have fewer than `FEWEST` runs).

    Raises InputError for columns of different lengths.
    """
    y = np.asarray(target, dtype=np.float64)
    labels = (
        np.zeros(y.size, dtype=np.intp) if strata is None else np.unique(np.asarray(strata), return_inverse=True)[1]
    )
    table = {name: np.asarray(column, dtype=np.float64) for name, column in metrics.items()}
    held = {name: np.asarray(column, dtype=np.float64) for name, column in (controls or {}).items()}
    for name, column in {**table, **held}.items():
        if column.shape != y.shape:
            raise InputError(f"{name}: {column.shape} values for {y.shape} targets; pass one value for each run")
    rng = rng or np.random.default_rng(0)
    known = np.isfinite(y)
    for column in held.values():
        known &= np.isfinite(column)
    y, labels = y[known], labels[known]
    table = {name: column[known] for name, column in table.items()}
    held = {name: column[known] for name, column in held.items()}
    return _tested(table, y, held, labels.astype(np.intp), permutations, resamples, rng)


def tau(x: npt.ArrayLike, y: npt.ArrayLike, strata: npt.ArrayLike | None = None) -> float:
    """Tau-b of two columns (n,) over pairs with equal strata; NaN without a pair that differs in both.

    >>> round(tau([1, 2, 3, 4], [1, 2, 4, 3]), 3)
    0.667
    """
    columns = np.array([np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)])
    labels = np.zeros(columns.shape[1], dtype=np.intp) if strata is None else np.asarray(strata)
    return float(_taus(columns, labels)[0, 1])


def partial_tau(taus: Floats) -> float:
    """Of columns 0 and 1 given all others, from their matrix of taus (m, m); NaN where a control explains one fully."""
    kept = [0, 1, *(i for i in range(2, len(taus)) if np.isfinite(taus[i, :2]).all())]
    matrix = taus[np.ix_(kept, kept)]
    if not np.isfinite(matrix[0, 1]):
        return math.nan
    matrix = np.where(np.isfinite(matrix), matrix, 0.0)
    np.fill_diagonal(matrix, 1.0)
    across = matrix[:2, 2:]
    left = matrix[:2, :2] - across @ np.linalg.pinv(matrix[2:, 2:], rcond=_SINGULAR, hermitian=True) @ across.T
    share = left[0, 0] * left[1, 1]
    if min(left[0, 0], left[1, 1]) < _SINGULAR:
        return math.nan
    return float(np.clip(left[0, 1] / math.sqrt(share), -1, 1))


def _tested(
    table: dict[str, Floats],
    y: Floats,
    held: dict[str, Floats],
    labels: Strata,
    permutations: int,
    resamples: int,
    rng: np.random.Generator,
) -> list[RankCorrelation]:
    columns = np.array([y, *held.values(), *table.values()]).reshape(1 + len(held) + len(table), y.size)
    taus = _taus(columns, labels)
    first = 1 + len(held)
    drawn = _permuted(columns[first:], y, labels, permutations, rng)  # (permutations, metrics)
    boot = [_taus(columns[:, rows], again) for rows, again in _resampled(labels, resamples, rng)]
    largest = np.nanmax(np.abs(drawn), axis=1, initial=0.0) if drawn.size else np.zeros(0)
    found = []
    for place, (name, column) in enumerate(table.items()):
        at = first + place
        value = float(taus[0, at])
        of_boot = [one[0, at] for one in boot]
        chosen = [0, at, *range(1, first)]
        partial = partial_tau(taus[np.ix_(chosen, chosen)]) if held else math.nan
        of_partial = [partial_tau(one[np.ix_(chosen, chosen)]) for one in boot] if held else []
        found.append(
            RankCorrelation(
                name,
                value,
                *_interval(of_boot),
                _share(np.abs(drawn[:, place]) if drawn.size else drawn[:, :0], abs(value)),
                _share(largest, abs(value)),
                partial,
                *_interval(of_partial),
                int(np.isfinite(column).sum()),
            )
        )
    return found


def _taus(columns: Floats, labels: npt.NDArray[np.generic]) -> Floats:
    """Matrix of tau-b between columns (m, n); pairs with a NaN are left out of what they belong to."""
    signs = _signs(columns, labels)
    defined = (~np.isnan(signs)).astype(np.float64)
    signs = np.nan_to_num(signs)
    sums = signs @ signs.T
    untied = (signs**2) @ defined.T  # pairs that differ in the row's column, among those that both know
    norm = np.sqrt(untied * untied.T)
    return np.where(norm > 0, sums / np.where(norm > 0, norm, 1.0), np.nan)


def _signs(columns: Floats, labels: npt.NDArray[np.generic]) -> Floats:
    """Order of every pair (m, pairs) whose labels agree: -1, 0 or 1; NaN where a value is missing."""
    one, other = np.triu_indices(columns.shape[1], 1)
    same = labels[one] == labels[other]
    one, other = one[same], other[same]
    return np.sign(columns[:, one] - columns[:, other])


def _permuted(metrics: Floats, y: Floats, labels: Strata, count: int, rng: np.random.Generator) -> Floats:
    """Taus (count, metrics) of targets shuffled within their strata."""
    one, other = np.triu_indices(y.size, 1)
    same = labels[one] == labels[other]
    one, other = one[same], other[same]
    signs = np.sign(metrics[:, one] - metrics[:, other])
    defined = (~np.isnan(signs)).astype(np.float64)
    signs = np.nan_to_num(signs)
    untied = (signs**2).sum(axis=1)  # pairs that differ in each metric; every target is known
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    found = np.empty((count, len(metrics)))
    for draw in range(count):
        order = np.arange(y.size)
        for group in groups:
            order[group] = rng.permutation(group)
        shuffled = np.sign(y[order][one] - y[order][other])
        norm = np.sqrt(untied * (defined @ shuffled**2))
        found[draw] = np.where(norm > 0, signs @ shuffled / np.where(norm > 0, norm, 1.0), np.nan)
    return found


def _resampled(
    labels: Strata, count: int, rng: np.random.Generator
) -> Sequence[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """Rows and their strata, drawn with replacement: runs within a stratum, or whole strata where these are small."""
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    if not groups:
        return []
    if max(map(len, groups)) >= FEWEST:
        drawn = [np.concatenate([rng.choice(group, len(group)) for group in groups]) for _ in range(count)]
        return [(rows, labels[rows]) for rows in drawn]
    found = []
    for _ in range(count):
        chosen = rng.integers(len(groups), size=len(groups))
        rows = np.concatenate([groups[i] for i in chosen])
        found.append((rows, np.repeat(np.arange(len(chosen)), [len(groups[i]) for i in chosen])))
    return found


def _interval(values: Sequence[float]) -> tuple[float, float]:
    known = [value for value in values if math.isfinite(value)]
    if len(known) < 20:
        return math.nan, math.nan
    low, high = np.quantile(known, [0.025, 0.975])
    return float(low), float(high)


def _share(drawn: Floats, value: float) -> float:
    """(1 + draws at least as large) / (1 + draws); NaN without draws or without a value."""
    known = drawn[np.isfinite(drawn)] if drawn.size else drawn
    if not known.size or not math.isfinite(value):
        return math.nan
    return float((1 + (known >= value - 1e-12).sum()) / (1 + known.size))
