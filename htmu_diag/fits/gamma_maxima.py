"""Maxima of many likelihoods of the Gamma law cut from below, all at once by Newton's method.

With y >= 1 of density proportional to y**(s - 1) exp(-b y), the mean log likelihood is (s - 1) log y - b y - A(s, b) in
the sample's means of log y and y alone, and concave in (s, b): the gradient of A holds the law's own means of log y
and -y, its Hessian their covariances (Barndorff-Nielsen 1978, section 9.3). Without the cut these are polygamma
functions; with it they are quadratures in t = log y, whose integrand exp(s t - b e**t) is log-concave: outside the
window where it is above e**-45 of its maximum it is nothing to double precision.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy

from htmu_diag.spectrum import Floats

__all__ = ["maxima"]

_DEPTH = 45.0
_PANELS, _ORDER = 8, 16
_STEPS, _HALVINGS = 60, 30
_TOLERANCE = 1e-10  # of a step, relative: Newton has then converged to rounding
Sample = tuple[Floats, Floats, bool]  # means of log y and of y, and whether y < 1 is cut away
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(_ORDER)


def maxima(
    logs: Floats, means: Floats, cut: bool, least: float, start: tuple[float, float] | None = None
) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Shapes (r,), b (r,) and whether each was found, from means of log y (r,) and of y (r,) of r samples.

    least: where a likelihood still rises at this shape and below, its maximum in b at this shape is given. start: shape
    and b to begin all of them at; by default the maxima of the uncut law.
    """
    if start is None:
        spread = np.maximum(np.log(means) - logs, 1e-12)  # Minka 2002, "Estimating a Gamma distribution"
        shape = np.maximum((3 - spread + np.sqrt((spread - 3) ** 2 + 24 * spread)) / (12 * spread), 2 * least)
        b = shape / means
    else:
        shape, b = (np.full(logs.shape, one) for one in start)
    found = np.zeros(logs.shape, bool)
    _ascend(shape, b, found, logs, means, cut, least, along_edge=False)
    below = ~found & (shape <= least)
    shape[below], b[below] = least, np.maximum(b[below], least)
    s, bs, ended = shape[below], b[below], found[below]
    _ascend(s, bs, ended, logs[below], means[below], cut, least, along_edge=True)
    rising = logs[below] > _moments(s, bs, cut)[0]  # a step went too far: the maximum lies inside after all
    b[below], found[below] = bs, ended & ~rising
    return shape, b, found


def _ascend(
    shape: Floats,
    b: Floats,
    found: npt.NDArray[np.bool_],
    logs: Floats,
    means: Floats,
    cut: bool,
    least: float,
    *,
    along_edge: bool,
) -> None:
    """Newton's steps in place, of those samples alone that still move; one whose shape falls below ``least`` stops."""
    active, here = np.arange(shape.size), _at(shape, b, cut)
    for _ in range(_STEPS):
        if not active.size:
            return
        sample = logs[active], means[active], cut
        step = _step(here, sample, along_edge)
        one, other, there, moved = _halved(shape[active], b[active], here, *step, sample)
        shape[active], b[active], found[active] = one, other, moved < _TOLERANCE
        going = ~found[active] & ((one > least) | along_edge) & np.isfinite(moved)
        active, here = active[going], there[:, going]


def _step(here: Floats, sample: Sample, along_edge: bool) -> tuple[Floats, Floats]:
    """The gradient over the covariances; in b alone on the edge."""
    logs, means, _ = sample
    _, first, second, v11, v12, v22 = here
    g1, g2 = logs - first, second - means
    if along_edge:
        return np.zeros_like(g1), g2 / v22
    det = np.maximum(v11 * v22 - v12 * v12, 1e-300)
    return (v22 * g1 + v12 * g2) / det, (v12 * g1 + v11 * g2) / det


def _halved(
    shape: Floats, b: Floats, here: Floats, d1: Floats, d2: Floats, sample: Sample
) -> tuple[Floats, Floats, Floats, Floats]:
    """Where the longest of the step (or nine tenths of the way to zero), its half, ... leads that lowers no likelihood.

    The law there as `_at` gives it, and how far that is, relative; infinity where none of them does.
    """
    logs, means, cut = sample
    least = _value(shape, b, here, logs, means)
    least -= 1e-13 * np.maximum(np.abs(least), 1.0)
    one, other, there, rows = shape.copy(), b.copy(), here.copy(), np.arange(shape.size)
    length = np.minimum(1.0, 0.9 / np.maximum(np.maximum(-d1 / shape, -d2 / b), 1e-300))
    d1, d2 = length * d1, length * d2
    for halvings in range(_HALVINGS):  # of those alone that are still too long
        s, c = shape[rows] + d1[rows] / 2**halvings, b[rows] + d2[rows] / 2**halvings
        tried = _at(s, c, cut)
        good = _value(s, c, tried, logs[rows], means[rows]) >= least[rows]
        taken, rows = rows[good], rows[~good]
        one[taken], other[taken], there[:, taken] = s[good], c[good], tried[:, good]
        if not rows.size:
            break
    moved = np.maximum(np.abs(one / shape - 1), np.abs(other / b - 1))
    moved[rows] = np.inf
    return one, other, there, moved


def _value(shape: Floats, b: Floats, at: Floats, logs: Floats, means: Floats) -> Floats:
    """Mean log likelihood."""
    value: Floats = (shape - 1) * logs - b * means - at[0]
    return value


def _at(shape: Floats, b: Floats, cut: bool) -> Floats:
    """Of each law, (6, r): A(s, b), the log of the integral of y**(s - 1) exp(-b y) from 1 (or from 0), means of log y
    and of y, variance of log y, covariance, variance of y.
    """
    if not cut:
        mass, mean = scipy.special.gammaln(shape) - shape * np.log(b), scipy.special.psi(shape) - np.log(b)
        return np.stack([mass, mean, shape / b, scipy.special.polygamma(1, shape), 1 / b, shape / b**2])
    t, weights, top = _rule(shape, b)
    total = weights.sum(axis=1)
    weights = weights / total[:, None]
    y = np.exp(t)
    first, second = (weights * t).sum(axis=1), (weights * y).sum(axis=1)
    off, away = t - first[:, None], y - second[:, None]
    variances = [(weights * one * other).sum(axis=1) for one, other in ((off, off), (off, away), (away, away))]
    return np.stack([np.log(total) + top, first, second, *variances])


def _moments(shape: Floats, b: Floats, cut: bool) -> Floats:
    """Of each law, (5, r): means, variances and covariance, as `_at` gives them."""
    return _at(shape, b, cut)[1:]


def _rule(shape: Floats, b: Floats) -> tuple[Floats, Floats, Floats]:
    """Nodes t (r, m), weights (r, m) with the density over its maximum, and the log of the maximum (r,)."""
    peak = np.maximum(np.log(shape / b), 0.0)
    steep = b * np.exp(peak)
    high = peak + np.minimum(np.sqrt(2 * _DEPTH / steep), np.log1p(2 * _DEPTH / steep) + 2)
    low = np.maximum(peak - _DEPTH / shape - np.sqrt(2 * _DEPTH / shape), 0.0)
    edges = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, _PANELS + 1)
    half = np.diff(edges, axis=1)[..., None] / 2
    t = (edges[:, :-1, None] + half + half * _NODES).reshape(shape.size, _PANELS * _ORDER)
    top = shape * peak - steep
    density = np.exp(shape[:, None] * t - b[:, None] * np.exp(t) - top[:, None])
    return t, density * (half * _WEIGHTS).reshape(shape.size, _PANELS * _ORDER), top
