"""Maxima of many likelihoods of the Gamma law cut from below, all at once by steps of third order.

With y >= 1 of density proportional to y**(s - 1) exp(-b y), the mean log likelihood is (s - 1) log y - b y - A(s, b) in
the sample's means of log y and y alone, and concave in (s, b): the gradient of A holds the law's own means of log y
and -y, its Hessian their covariances (Barndorff-Nielsen 1978, section 9.3), its third derivatives their third
cumulants. A step is Newton's and what these add to it (Chebyshev's method): half as many steps. Without the cut these
are polygamma functions; with it they are quadratures in t = log y, whose integrand exp(s t - b e**t) is log-concave:
outside the window where it is above e**-37 of its maximum it is nothing to double precision. Gauss and Legendre's rule
with 56 nodes over that window gives the means to 7e-13 and the covariances to 6e-12, relative, for all s and b from
e**-6 to e**9. No sample sees the others: each has the same bits alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import scipy

from htmu_diag.spectrum import Floats

__all__ = ["law_at", "maxima"]

_DEPTH = 37.0
_STEPS, _HALVINGS = 60, 30
_TOLERANCE = 1e-10  # of a step, relative: Newton has then converged to rounding
_ROUNDING = 1e-14  # of the terms of a likelihood, which cancel
_LAST = 1e-5  # of a step, relative: what is wrong after it is of the order of its cube
_NODES, _WEIGHTS = (part / 2 for part in np.polynomial.legendre.leggauss(56))
_NODES = _NODES + 0.5  # of [0, 1]


def maxima(
    logs: Floats, means: Floats, cut: bool, least: float, start: tuple[float, float] | None = None
) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Shapes (r,), b (r,) and whether each was found, from means of log y (r,) and of y (r,) of r samples.

    least: no shape is smaller; where a likelihood still rises towards smaller ones, its maximum in b at this shape is
    given. start: shape and b to begin all of them at; by default the maxima of the uncut law.
    """
    if start is None:
        spread = np.maximum(np.log(means) - logs, 1e-12)  # Minka 2002, "Estimating a Gamma distribution"
        shape = np.maximum((3 - spread + np.sqrt((spread - 3) ** 2 + 24 * spread)) / (12 * spread), 2 * least)
        b = shape / means
        here = law_at(shape, b, cut)
    else:
        shape, b = (np.full(logs.shape, one) for one in start)
        here = np.repeat(law_at(shape[:1], b[:1], cut), shape.size, axis=1)
    found, rows, sample = np.zeros(logs.shape, bool), np.arange(logs.size), _Samples(logs, means, cut, least)
    for _ in range(_STEPS):
        at = shape[rows], b[rows]
        step = _step(*at, here, sample)
        length = _length(*step, *at)
        last = length < _LAST
        shape[rows], b[rows], here, moved = _halved(*at, here, *step, sample, np.flatnonzero(~last), length)
        found[rows] = last | (moved < _TOLERANCE)
        going = ~found[rows] & np.isfinite(moved)
        if not going.any():
            break
        if not going.all():
            rows, here, sample = rows[going], here[:, going], sample.of(going)
    return shape, b, found


@dataclass(frozen=True)
class _Samples:
    """Means of log y and of y, (r,) each, whether y < 1 is cut away, and the least shape."""

    logs: Floats
    means: Floats
    cut: bool
    least: float

    def of(self, rows: npt.NDArray[np.generic]) -> _Samples:
        return replace(self, logs=self.logs[rows], means=self.means[rows])

    def value(self, shape: Floats, b: Floats, here: Floats) -> Floats:
        """Mean log likelihood; here: the law as `law_at` gives it."""
        found: Floats = (shape - 1) * self.logs - b * self.means - here[0]
        return found


def _length(d1: Floats, d2: Floats, shape: Floats, b: Floats) -> Floats:
    """Of a step, relative."""
    return np.maximum(np.abs(d1) / shape, np.abs(d2) / b)


def _step(shape: Floats, b: Floats, here: Floats, sample: _Samples) -> tuple[Floats, Floats]:
    """Newton's, and what third cumulants add to it as long as half of its slope upwards is left; in b alone at the
    least shape, where Newton's leads to smaller ones.
    """
    _, first, second, v11, v12, v22, *third = here
    g1, g2 = sample.logs - first, second - sample.means
    det = np.maximum(v11 * v22 - v12 * v12, 1e-300)
    d1, d2 = (v22 * g1 + v12 * g2) / det, (v12 * g1 + v11 * g2) / det
    along = (shape <= sample.least) & (d1 <= 0)
    if along.any():
        d1[along], d2[along] = 0.0, g2[along] / v22[along]
    k111, k112, k122, k222 = third
    back = -d2
    q1, q2 = (
        d1 * (d1 * k111 + 2 * back * k112) + back * back * k122,
        d1 * (d1 * k112 + 2 * back * k122) + back * back * k222,
    )
    det *= 2
    c1, c2 = (v12 * q2 - v22 * q1) / det, (v11 * q2 - v12 * q1) / det
    if along.any():
        c1[along], c2[along] = 0.0, q2[along] / v22[along] / 2
    share = np.minimum(1.0, (g1 * d1 + g2 * d2) / np.maximum(-2 * (g1 * c1 + g2 * c2), 1e-300))
    return d1 + share * c1, d2 + share * c2


def _halved(
    shape: Floats,
    b: Floats,
    here: Floats,
    d1: Floats,
    d2: Floats,
    sample: _Samples,
    rows: npt.NDArray[np.intp],
    moved: Floats,
) -> tuple[Floats, Floats, Floats, Floats]:
    """Where the longest of the step (or to the least shape, or nine tenths of the way to b = 0), its half, ... leads
    that lowers no likelihood, the law there, and how far that is; the point itself and infinity where none does. Only
    of these rows: the steps of others are taken. moved: how far the step itself leads.
    """
    low = sample.value(shape, b, here)
    low -= _ROUNDING * (np.abs(shape * sample.logs) + np.abs(b * sample.means) + np.abs(here[0]) + 1.0)
    one, other = shape + d1, b + d2
    if (one < sample.least).any() or (other < b / 10).any():
        length = np.minimum(1.0, 0.9 / np.maximum(-d2 / b, 1e-300))
        edge = (sample.least - shape) / np.minimum(d1, -1e-290)
        hits = (d1 < 0) & (edge <= length)
        length = np.where(hits, edge, length)
        d1, d2 = length * d1, length * d2
        one, other = np.where(hits, sample.least, shape + d1), b + d2
        moved = _length(one - shape, other - b, shape, b)
    if rows.size == shape.size:
        there = law_at(one, other, sample.cut)
    else:
        there = here.copy()
        there[:, rows] = law_at(one[rows], other[rows], sample.cut)
    rows = rows[~(sample.value(one, other, there)[rows] >= low[rows])]
    if not rows.size:
        return one, other, there, moved
    for halvings in range(1, _HALVINGS + 1):
        one[rows], other[rows] = shape[rows] + d1[rows] / 2**halvings, b[rows] + d2[rows] / 2**halvings
        there[:, rows] = law_at(one[rows], other[rows], sample.cut)
        rows = rows[~(sample.value(one, other, there)[rows] >= low[rows])]
        if not rows.size:
            break
    one[rows], other[rows] = shape[rows], b[rows]
    moved = _length(one - shape, other - b, shape, b)
    moved[rows] = np.inf
    return one, other, there, moved


def law_at(shape: Floats, b: Floats, cut: bool) -> Floats:
    """Of each law, (10, r): A(s, b), the log of the integral of y**(s - 1) exp(-b y) from 1 (or from 0), means of log y
    and of y, variance of log y, covariance, variance of y, third cumulants from that of log y to that of y.
    """
    if not cut:
        mass, mean = scipy.special.gammaln(shape) - shape * np.log(b), scipy.special.psi(shape) - np.log(b)
        second = [scipy.special.polygamma(1, shape), 1 / b, shape / b**2]
        third = [scipy.special.polygamma(2, shape), np.zeros_like(b), 1 / b**2, 2 * shape / b**3]
        return np.stack([mass, mean, shape / b, *second, *third])
    t, y, weights, top = _rule(shape, b)
    found = np.empty((10, shape.size))
    total, first, second = weights.sum(axis=1), (weights * t).sum(axis=1), (weights * y).sum(axis=1)
    first /= total
    second /= total
    found[0], found[1], found[2] = np.log(total) + top, first, second
    t -= first[:, None]
    y -= second[:, None]
    off, other = weights * t, weights * y
    squares = off * t, off * y, other * y
    products = squares[0] * t, squares[0] * y, squares[1] * y, squares[2] * y
    for place, product in enumerate((*squares, *products), start=3):
        product.sum(axis=1, out=found[place])
    found[3:] /= total
    return found


def _rule(shape: Floats, b: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Nodes t and e**t, (r, m) each, weights (r, m) with the density over its maximum, and the log of that (r,)."""
    peak = np.maximum(np.log(shape / b), 0.0)
    low, high, steep = _window(shape, b, peak)
    width = (high - low)[:, None]
    t = low[:, None] + width * _NODES
    y = np.exp(t)
    top = shape * peak - steep
    density = np.exp(shape[:, None] * t - b[:, None] * y - top[:, None])
    return t, y, density * (width * _WEIGHTS), top


def _window(shape: Floats, b: Floats, peak: Floats) -> tuple[Floats, Floats, Floats]:
    """Where log density has fallen by the depth, to the left (or at the cut) and to the right, from outside; and the
    slope b e**peak of its second term.

    To the right of the peak it falls by steep (e**u - 1) - s u, which is convex: at least as its first terms do, and
    as the exponential does. One step of Newton's from there stays outside.
    """
    steep = b * np.exp(peak)
    slack, deep = 1.0 - np.minimum(shape / steep, 1.0), _DEPTH / steep
    right = 2 * deep / (slack + np.sqrt(slack * slack + 2 * deep))
    fall = np.log1p(deep)
    right = np.minimum(right, fall + np.log1p(fall) + 1)
    grown = np.exp(right)
    right -= (steep * (grown - 1) - shape * right - _DEPTH) / (steep * grown - shape)
    far = _DEPTH / shape
    root = np.sqrt(2 * far)
    left = np.where(peak > 0, np.minimum(far + 1, root * (1 + root / 3)), 0.0)
    return np.maximum(peak - left, 0.0), peak + right, steep
