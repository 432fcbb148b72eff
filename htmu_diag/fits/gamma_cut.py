"""The Gamma law cut from below: its survival function, and many draws of one law.

A draw is a quantile at a random level. log y is a smooth function of the normal score of the level, and the score one
of log y, so that many of them are read off a polynomial through a few: right to rounding where its last coefficients
are nothing.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import scipy

from htmu_diag.spectrum import Floats

__all__ = ["draws", "levels_about", "log_upper_gamma", "survival"]

_LEVELS = 60  # of the continued fraction, at x beyond 500: far more than double precision needs
_DEEP = 1e-250
_NODES, _ENOUGH = 20, 1e-12  # of the polynomial, and its last coefficients where it is right to rounding
_FEW = 1000  # quantiles or levels that are found one by one sooner
_NEWTON = 30


def survival(shape: float | Floats, b: float | Floats, y: Floats, cut: bool) -> Floats:
    """P(Y > y) for y >= 1 of laws cut at 1, or not; all broadcast."""
    if not cut:
        return np.asarray(scipy.special.gammaincc(shape, b * y))
    plain, top = scipy.special.gammaincc(shape, b * y), np.asarray(scipy.special.gammaincc(shape, b))
    if top.min() > _DEEP:
        return np.asarray(plain / top)
    logs = log_upper_gamma(shape, np.asarray(b * y)) - log_upper_gamma(shape, np.asarray(b))
    return np.where(top > _DEEP, plain / np.where(top > _DEEP, top, 1.0), np.exp(logs))


def draws(shape: float, b: float, cut: bool, rng: np.random.Generator, size: tuple[int, int]) -> Floats:
    """``size`` values of the law, ascending in each row."""
    levels = 1 - rng.random(size)
    top = float(scipy.special.gammaincc(shape, b)) if cut else 1.0
    if top <= _DEEP:
        return np.sort(_deep_quantiles(shape, b, levels), axis=1)
    levels *= top
    logs = _smooth(shape, levels) if levels.size > _FEW else None
    y = scipy.special.gammainccinv(shape, levels) if logs is None else np.exp(logs)
    return np.sort(np.asarray(y / b, dtype=np.float64), axis=1)


def levels_about(shapes: Floats, bs: Floats, y: Floats, cut: bool) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """`survival` of each row's law (r,) at its ascending y (r, n) but for rounding, and in which rows that is so."""
    if y.size <= _FEW:
        return survival(shapes[:, None], bs[:, None], y, cut), np.ones(len(y), bool)
    top = scipy.special.gammaincc(shapes, bs)[:, None] if cut else np.ones((len(y), 1))
    scores, last = _read_off(
        lambda t: scipy.special.ndtri(scipy.special.gammaincc(shapes[:, None], bs[:, None] * np.exp(t))),
        np.log(y),
        _NODES,
    )
    if scores is None:
        return np.zeros_like(y), np.zeros(len(y), bool)
    return scipy.special.ndtr(scores) / np.maximum(top, _DEEP), (last < _ENOUGH) & (top[:, 0] > _DEEP)


def _smooth(shape: float, levels: Floats) -> Floats | None:
    """log of gammainccinv(shape, levels); None where no polynomial is right to rounding."""
    scores = scipy.special.ndtri(levels.reshape(1, -1))
    for nodes in (_NODES, 2 * _NODES):
        logs, _ = _read_off(lambda z: np.log(scipy.special.gammainccinv(shape, scipy.special.ndtr(z))), scores, nodes)
        if logs is not None:
            return logs.reshape(levels.shape)
    return None


def _read_off(heights: Callable[[Floats], Floats], places: Floats, nodes: int) -> tuple[Floats | None, Floats]:
    """Heights at places (r, n) by a polynomial of each row's own, None where none is right to rounding, and the largest
    of its last coefficients, (r,)."""
    low, high = places.min(axis=1, keepdims=True), places.max(axis=1, keepdims=True)
    cosines, basis, powers = _chebyshev(nodes)
    with np.errstate(all="ignore"):  # what is no number is told by the coefficients
        polynomial = (heights((low + high + (high - low) * cosines) / 2)[:, None, :] * basis).sum(axis=2)
        last = np.abs(polynomial[:, -3:]).max(axis=1)
        if not (last < _ENOUGH).any():
            return None, last
        x = places * (2 / (high - low))
        x -= (low + high) / (high - low)
        of_powers = (polynomial[:, None, :] * powers).sum(axis=2)
        found = x * of_powers[:, -1:]
        for place in range(nodes - 2, 0, -1):
            found += of_powers[:, place : place + 1]
            found *= x
        found += of_powers[:, :1]
    return found, last


@functools.cache
def _chebyshev(nodes: int) -> tuple[Floats, Floats, Floats]:
    """Chebyshev's nodes (n,), coefficients from heights there, (n, n), and those of powers from these, (n, n).

    The coefficients of what is smooth fall faster than those of powers grow, so these are as good: but only from those
    coefficients, and not from the heights.
    """
    angles = math.pi * (np.arange(nodes) + 0.5) / nodes
    basis = 2 / nodes * np.cos(np.outer(np.arange(nodes), angles))
    basis[0] /= 2
    powers = np.zeros((nodes, nodes))
    for order in range(nodes):
        powers[: order + 1, order] = np.polynomial.chebyshev.cheb2poly(np.eye(nodes)[order, : order + 1])
    return np.cos(angles), basis, powers


def _deep_quantiles(shape: float, b: float, levels: Floats) -> Floats:
    """y at P(Y > y), of a law so far out that its own mass is no float: Newton in log P, which is almost straight."""
    least, wanted = float(log_upper_gamma(shape, np.array([b]))[0]), np.log(levels)
    y = 1 - wanted / max(b - shape + 1, 1.0)
    for _ in range(_NEWTON):
        logs = log_upper_gamma(shape, b * y)
        hazard = b * np.exp((shape - 1) * np.log(b * y) - b * y - scipy.special.gammaln(shape) - logs)
        step = (logs - least - wanted) / hazard
        y = np.maximum(y + step, 1.0)
        if np.abs(step).max() < 1e-14:
            break
    return y


def log_upper_gamma(shape: float | Floats, x: Floats) -> Floats:
    """log of Gamma(shape, x)/Gamma(shape), by Legendre's continued fraction where it underflows; both broadcast."""
    plain = scipy.special.gammaincc(shape, x)
    with np.errstate(divide="ignore"):
        result = np.asarray(np.log(plain))
    deep = plain < _DEEP
    if deep.any():
        fraction, z, a = (
            np.zeros(int(deep.sum())),
            np.broadcast_to(x, plain.shape)[deep],
            np.broadcast_to(shape, plain.shape)[deep],
        )
        for k in range(_LEVELS, 0, -1):
            fraction = k * (a - k) / (z + 2 * k + 1 - a + fraction)
        result[deep] = a * np.log(z) - z - scipy.special.gammaln(a) - np.log(z + 1 - a + fraction)
    return result
