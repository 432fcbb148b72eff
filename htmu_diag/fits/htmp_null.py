"""How far spectra of the HTMP matrix model lie from their own fits, and how far their alpha from the predicted one.

Eigenvalues repel each other the more the larger kappa is, and two parameters are fitted: the KS distance is 0.6/sqrt n
at kappa = 0.2 and less than a quarter of it at kappa = N, where the model is noise. What is known of kappa was found
from the same spectrum, so the laws here are those given what was found: the fitted kappa, or the repulsion of the joint
density (``joint_repulsion``). They are drawn once by ``benchmarks/htmp_null_table.py``, true kappas spread evenly in
log kappa, shipped, and interpolated. The law and its inverse have the same null, because a fit of the inverse is a fit
to reciprocals.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from htmu_diag.fits.normal_scores import share_above
from htmu_diag.fits.null_table import load_table, place
from htmu_diag.fits.results import Interval
from htmu_diag.spectrum import Floats

__all__ = ["Null", "htmp_p_values", "prediction_scores"]


class Null(NamedTuple):
    """What a p-value is asked for. name: "ks": kappa was found in the spectrum (as `matrix_kappa` has it); "ks_joint":
    kappa is n times the `joint_repulsion` of it, whatever the fitted one."""

    name: str
    distance: float
    n: float
    gamma: float
    kappa: float


def htmp_p_values(asked: Sequence[Null]) -> list[float]:
    """Shares of spectra of n eigenvalues whose KS distance to their own fit is at least this one; 1e-4 at least."""
    if not asked:
        return []
    null = _null()
    before, after, shares = zip(*(null.row(one.name, one.n, one.gamma, one.kappa) for one in asked), strict=True)
    rows = np.array(before) + np.array(shares)[:, None] * (np.array(after) - np.array(before))
    x = np.array([math.sqrt(one.n) * one.distance for one in asked])
    at = np.minimum(np.maximum((rows <= x[:, None]).sum(axis=1) - 1, 0), rows.shape[1] - 2)
    k = np.arange(x.size)
    low, high = rows[k, at], rows[k, at + 1]
    share = np.minimum(np.maximum((x - low) / (high - low), 0.0), 1.0)
    scores = null.scores[at] + (null.scores[at + 1] - null.scores[at]) * share
    return [share_above(score) for score in scores.tolist()]


def prediction_scores(n: float, gamma: float, kappa: float, *, inverse: bool) -> Interval:
    """2.5 and 97.5 % quantiles of log[(alpha - 1)/(predicted - 1)] over its standard error for independent values."""
    bands = _bands("inverse" if inverse else "direct", n, gamma)
    place = _null().share("direct", n, kappa) * (len(bands) - 1)
    i = min(int(place), len(bands) - 2)
    low, high = (a + (place - i) * (b - a) for a, b in zip(bands[i], bands[i + 1], strict=True))
    return low, high


@dataclass(frozen=True)
class _Null:
    """gammas (g,), log_sizes (n,), least: the first kappa, of the fitted ones that end at n; joint: the ends of kappa/n
    by the joint density; tables: (g, n, places, levels) by name."""

    gammas: Floats
    log_sizes: Floats
    least: float
    joint: Interval
    scores: Floats
    levels: Floats
    tables: dict[str, Floats]

    def row(self, name: str, n: float, gamma: float, kappa: float) -> tuple[Floats, Floats, float]:
        """Quantiles before and behind one place, and how far it lies between them: linear in gamma, log n and the share
        of log kappa between the first and the last."""
        table = _of_shape(name, n, gamma)
        along = self.share(name, n, kappa) * (len(table) - 1)
        i = min(int(along), len(table) - 2)
        return table[i], table[i + 1], along - i

    def share(self, name: str, n: float, kappa: float) -> float:
        """How far log kappa lies from the first to the last."""
        low, high = self.joint
        first, last = (n * low, n * high) if name == "ks_joint" else (self.least, max(n, 2 * self.least))
        return min(max(math.log(max(kappa, first) / first) / math.log(last / first), 0.0), 1.0)


def _along(table: Floats, grid: Floats, x: float) -> Floats:
    """Linear between the entries of the first axis."""
    i, share = place(grid, x)
    return np.asarray(table[i] + share * (table[i + 1] - table[i]))


@lru_cache(maxsize=512)
def _of_shape(name: str, n: float, gamma: float) -> Floats:
    """(places, levels) at one size and aspect ratio."""
    null = _null()
    return _along(_along(null.tables[name], null.gammas, gamma), null.log_sizes, math.log(n)).astype(np.float64)


@lru_cache(maxsize=512)
def _bands(name: str, n: float, gamma: float) -> list[list[float]]:
    """(places, 2) of `prediction_scores` at one size and aspect ratio."""
    return [np.interp([0.025, 0.975], _null().levels, row).tolist() for row in _of_shape(name, n, gamma)]


@lru_cache(maxsize=1)
def _null() -> _Null:
    file = load_table("htmp_null")
    tables = {name: file[name] for name in ("ks", "ks_joint", "direct", "inverse")}
    return _Null(
        file["gammas"],
        np.log(file["sizes"]),
        float(file["least_kappa"]),
        (float(file["joint"][0]), float(file["joint"][1])),
        file["scores"],
        file["prediction_levels"],
        tables,
    )
