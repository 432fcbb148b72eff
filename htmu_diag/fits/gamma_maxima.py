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


def maxima(logs: Floats, means: Floats, cut: bool, least: float) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Shapes (r,), b (r,) and whether each was found, from means of log y (r,) and of y (r,) of r samples.

    least: where a likelihood still rises at this shape and below, its maximum in b at this shape is given.
    """
    spread = np.maximum(np.log(means) - logs, 1e-12)  # of the uncut law: Minka 2002, "Estimating a Gamma distribution"
    shape = np.maximum((3 - spread + np.sqrt((spread - 3) ** 2 + 24 * spread)) / (12 * spread), 2 * least)
    b, found = shape / means, np.zeros(logs.shape, bool)
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
    active = np.arange(shape.size)
    for _ in range(_STEPS):
        if not active.size:
            return
        one, other, sample = shape[active], b[active], (logs[active], means[active], cut)
        step = _step(one, other, sample, along_edge)
        one, other, moved = _halved(one, other, *step, sample)
        shape[active], b[active], found[active] = one, other, moved < _TOLERANCE
        active = active[~found[active] & ((one > least) | along_edge) & np.isfinite(moved)]


def _step(shape: Floats, b: Floats, sample: Sample, along_edge: bool) -> tuple[Floats, Floats]:
    """The gradient over the covariances; in b alone on the edge."""
    logs, means, cut = sample
    first, second, v11, v12, v22 = _moments(shape, b, cut)
    g1, g2 = logs - first, second - means
    if along_edge:
        return np.zeros_like(shape), g2 / v22
    det = np.maximum(v11 * v22 - v12 * v12, 1e-300)
    return (v22 * g1 + v12 * g2) / det, (v12 * g1 + v11 * g2) / det


def _halved(shape: Floats, b: Floats, d1: Floats, d2: Floats, sample: Sample) -> tuple[Floats, Floats, Floats]:
    """The longest of the step, its half, ... that stays positive and does not lower the likelihood, and its length."""
    logs, means, cut = sample
    best, length, rows = _value(shape, b, *sample), np.ones_like(shape), np.arange(shape.size)
    for _ in range(_HALVINGS):  # of those alone that are still too long
        one, other = (shape + length * d1)[rows], (b + length * d2)[rows]
        inside = (one > 0) & (other > 0)
        one, other = np.where(inside, one, 1.0), np.where(inside, other, 1.0)
        value = np.where(inside, _value(one, other, logs[rows], means[rows], cut), -np.inf)
        rows = rows[~(value >= (best - 1e-13 * np.maximum(np.abs(best), 1.0))[rows])]
        if not rows.size:
            break
        length[rows] /= 2
    worse = np.zeros(shape.shape, bool)
    worse[rows] = True
    one, other = np.where(worse, shape, shape + length * d1), np.where(worse, b, b + length * d2)
    moved = np.maximum(np.abs(one / shape - 1), np.abs(other / b - 1))
    return one, other, np.where(worse, np.inf, moved)


def _value(shape: Floats, b: Floats, logs: Floats, means: Floats, cut: bool) -> Floats:
    """Mean log likelihood."""
    value: Floats = (shape - 1) * logs - b * means - _log_mass(shape, b, cut)
    return value


def _log_mass(shape: Floats, b: Floats, cut: bool) -> Floats:
    """A(s, b): log of the integral of y**(s - 1) exp(-b y) from 1, or from 0."""
    if not cut:
        return np.asarray(scipy.special.gammaln(shape) - shape * np.log(b))
    _, weights, top = _rule(shape, b)
    return np.asarray(np.log(weights.sum(axis=1)) + top)


def _moments(shape: Floats, b: Floats, cut: bool) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Means of log y and y, variances and covariance: v11 of log y, v12 of both, v22 of y."""
    if not cut:
        return scipy.special.psi(shape) - np.log(b), shape / b, scipy.special.polygamma(1, shape), 1 / b, shape / b**2
    t, weights, _ = _rule(shape, b)
    weights = weights / weights.sum(axis=1, keepdims=True)
    y = np.exp(t)
    first, second = (weights * t).sum(axis=1), (weights * y).sum(axis=1)
    off, away = t - first[:, None], y - second[:, None]
    return (
        first,
        second,
        (weights * off * off).sum(axis=1),
        (weights * off * away).sum(axis=1),
        (weights * away * away).sum(axis=1),
    )


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
