"""How far spectra of the HTMP matrix model lie from their own fits, and how far their alpha from the predicted one.

Eigenvalues repel each other the more the larger kappa is, and two parameters are fitted: the KS distance is 0.6/sqrt n
at kappa = 0.2 and less than a quarter of it at kappa = N, where the model is noise. The null law is drawn once by
``benchmarks/htmp_null_table.py`` over (gamma, n, kappa), shipped, and interpolated; beyond kappa = N it is that of
kappa = N. The law and its inverse have the same one, because a fit of the inverse is a fit to reciprocals.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy

from htmu_diag.fits.null_table import load_table, place
from htmu_diag.fits.results import Interval
from htmu_diag.spectrum import Floats

__all__ = ["htmp_p_value", "htmp_p_values", "prediction_scores"]


def htmp_p_value(distance: float, n: float, gamma: float, kappa: float) -> float:
    """Share of spectra of n eigenvalues whose KS distance to their own fit is at least this one; 1e-4 at least."""
    return float(htmp_p_values(distance, n, gamma, np.array([kappa]))[0])


def htmp_p_values(distance: float, n: float, gamma: float, kappas: Floats) -> Floats:
    """The same at several kappas, (k,)."""
    rows, scores = _null().rows("ks", n, gamma, kappas), _null().scores
    x, k = math.sqrt(n) * distance, np.arange(kappas.size)
    i = np.minimum(np.maximum((rows <= x).sum(axis=1) - 1, 0), scores.size - 2)
    share = np.minimum(np.maximum((x - rows[k, i]) / np.maximum(rows[k, i + 1] - rows[k, i], 1e-300), 0.0), 1.0)
    return np.asarray(scipy.special.ndtr(-(scores[i] + share * (scores[i + 1] - scores[i]))))


def prediction_scores(n: float, gamma: float, kappa: float, *, inverse: bool) -> Interval:
    """2.5 and 97.5 % quantiles of log[(alpha - 1)/(predicted - 1)] over its standard error for independent values."""
    (row,) = _null().rows("inverse" if inverse else "direct", n, gamma, np.array([kappa]))
    low, high = np.interp([0.025, 0.975], _null().levels, row)
    return float(low), float(high)


@dataclass(frozen=True)
class _Null:
    """gammas (g,), log_sizes (n,), least: the first kappa; tables: (g, n, places, levels) by name."""

    gammas: Floats
    log_sizes: Floats
    least: float
    scores: Floats
    levels: Floats
    tables: dict[str, Floats]

    def rows(self, name: str, n: float, gamma: float, kappas: Floats) -> Floats:
        """(k, levels) quantiles, linear in gamma, log n and the share of log kappa between the first and log n."""
        span = math.log(max(n, 2 * self.least) / self.least)
        table = _of_shape(name, n, gamma)
        places = np.minimum(np.log(np.maximum(kappas, self.least) / self.least) / span, 1.0) * (len(table) - 1)
        i = np.minimum(places.astype(np.intp), len(table) - 2)
        return np.asarray(table[i] + (places - i)[:, None] * (table[i + 1] - table[i]))


def _along(table: Floats, grid: Floats, x: float) -> Floats:
    """Linear between the entries of the first axis."""
    i, share = place(grid, x)
    return np.asarray(table[i] + share * (table[i + 1] - table[i]))


@lru_cache(maxsize=512)
def _of_shape(name: str, n: float, gamma: float) -> Floats:
    """(places, levels) at one size and aspect ratio."""
    null = _null()
    return _along(_along(null.tables[name], null.gammas, gamma), null.log_sizes, math.log(n))


@lru_cache(maxsize=1)
def _null() -> _Null:
    file = load_table("htmp_null")
    tables = {name: file[name] for name in ("ks", "direct", "inverse")}
    return _Null(
        file["gammas"],
        np.log(file["sizes"]),
        float(file["least_kappa"]),
        file["scores"],
        file["prediction_levels"],
        tables,
    )
