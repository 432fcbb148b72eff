"""The Marchenko-Pastur law, in the angle that makes it smooth.

For a matrix of independent entries of variance ``scale`` with p/n = gamma, the eigenvalues of W W^T / n have
density sqrt((b - x)(x - a)) / (2 pi gamma scale x) on [a, b] = scale (1 -+ sqrt(gamma))**2, and for gamma > 1 an atom
1 - 1/gamma at 0 (Marchenko & Pastur 1967). With r = sqrt(gamma) < 1 and
x = scale (1 + r**2 - 2 r cos(theta)) the distribution function is

    F = (1/pi) [theta + sin(theta)/r - (1 - r**2) T/r**2],
    T = atan(r sin(theta) / (1 - r cos(theta))) = sum over n of r**n sin(n theta)/n,

and 1 - F is the same expression in pi - theta with -r for r, so that both tails keep their accuracy. For gamma > 1 the
nonzero eigenvalues are those of the transposed matrix, MarchenkoPastur(1/gamma, gamma scale).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from htmu_diag.laws.base import ContinuousLaw, numbers_only, require
from htmu_diag.laws.hermite import hermite
from htmu_diag.spectrum import Floats

__all__ = ["MarchenkoPastur", "central_quantiles", "share_below"]

_SERIES_BELOW = 0.1  # r where 1/r**2 would cost two digits; the series then needs 15 terms for 1e-16
_TERMS = 18


_CENTRAL = 1e-3  # share of either tail that is left to the general search
_ANGLES = np.linspace(0.0, math.pi, 513)
_NEWTON_STEPS = 4  # from 1e-8 of the interpolation the first leaves rounding
_SETTLED = 1e-8  # in the angle; the step is taken, and the next one would be below rounding


@dataclass(frozen=True)
class MarchenkoPastur(ContinuousLaw):
    """Marchenko-Pastur law with mean ``scale``.

    gamma: rows over columns, > 0; above 1 there is an atom 1 - 1/gamma at zero.
    scale: variance of the entries, the mean of the law, > 0.
    Raises InputError for other parameters.
    """

    gamma: float
    scale: float = 1.0

    def __post_init__(self) -> None:
        numbers_only(self)
        require(0.0 < self.gamma < math.inf, "MarchenkoPastur", f"gamma = {self.gamma} is not positive", "pass p/n")
        require(
            0.0 < self.scale < math.inf,
            "MarchenkoPastur",
            f"scale = {self.scale} is not positive and finite",
            "pass the variance of the entries",
        )

    @property
    def atom(self) -> float:
        """Mass at zero: 1 - 1/gamma for gamma > 1."""
        return max(0.0, 1.0 - 1.0 / self.gamma)

    @property
    def edges(self) -> tuple[float, float]:
        """Lower and upper edge of the bulk, scale (1 -+ sqrt(gamma))**2."""
        root = math.sqrt(self.gamma)
        return self.scale * (1.0 - root) ** 2, self.scale * (1.0 + root) ** 2

    def support(self) -> tuple[float, float]:
        low, high = self.edges
        return (0.0 if self.atom else low), high

    def mean(self) -> float:
        return self.scale

    def var(self) -> float:
        return self.scale * self.scale * self.gamma

    def _logpdf(self, x: Floats) -> Floats:
        low, high = self.edges
        log_root = 0.5 * (np.log(np.maximum(high - x, 0.0)) + np.log(np.maximum(x - low, 0.0)))
        return log_root - np.log(2.0 * math.pi * self.gamma * self.scale * x)

    def _cdf(self, x: Floats) -> Floats:
        return self.atom + (1.0 - self.atom) * _mass(self._angle(x), self._ratio)

    def _sf(self, x: Floats) -> Floats:
        return (1.0 - self.atom) * _mass(math.pi - self._angle(x), -self._ratio)

    def _ppf(self, q: Floats) -> Floats:
        """In the angle, by Newton's method where neither tail needs relative accuracy."""
        central = (q > _CENTRAL) & (q < 1.0 - _CENTRAL) if self.gamma <= 1.0 else np.zeros(q.shape, bool)
        out = np.empty(q.shape)
        out[central] = self.scale * central_quantiles(q[central], self.gamma)
        if not central.all():
            out[~central] = super()._ppf(q[~central])
        return out

    @property
    def _ratio(self) -> float:
        return math.sqrt(min(self.gamma, 1.0 / self.gamma))

    def _angle(self, x: Floats) -> Floats:
        """theta in [0, pi], from the nearer edge: sin(theta/2)**2 = (x - a)/(b - a)."""
        low, high = self.edges
        lower = np.sqrt(np.clip((x - low) / (high - low), 0.0, 1.0))
        upper = np.sqrt(np.clip((high - x) / (high - low), 0.0, 1.0))
        return 2.0 * np.arctan2(lower, upper)


def share_below(x: Floats, gamma: float) -> Floats:
    """The distribution function of the law of mean 1 at points (n,), for gamma up to 1."""
    law = MarchenkoPastur(gamma)
    return _mass(law._angle(x), law._ratio)


def central_quantiles(q: Floats, gamma: float) -> Floats:
    """Quantiles of the law of mean 1, for gamma up to 1 and shares (n,) from 0.001 to 0.999: Newton's method in the
    angle."""
    r = math.sqrt(gamma)
    low, width = (1.0 - r) ** 2, 4.0 * r
    theta = _first_guess(q, r)
    for _ in range(_NEWTON_STEPS):
        sine, half = np.sin(theta), np.sin(theta / 2)
        step = (_mass(theta, r, sine) - q) * (low + width * half * half) * (0.5 * math.pi) / (sine * sine)
        theta = theta - step
        if abs(step).max(initial=0.0) < _SETTLED:
            break
    half = np.sin(theta / 2)
    return np.asarray(low + width * half * half)


def _first_guess(q: Floats, r: float) -> Floats:
    """The angles by cubic Hermite interpolation of the inverse: to 1e-9 between 5 and 95 %."""
    masses, slopes, widths = _inverse(r)
    i = np.minimum(masses.searchsorted(q, "right") - 1, _ANGLES.size - 2)
    return np.asarray(hermite(_ANGLES, slopes, i, widths[i], (q - masses[i]) / widths[i]))


@lru_cache(maxsize=1024)
def _inverse(r: float) -> tuple[Floats, Floats, Floats]:
    """The distribution function at the angles, d theta/dF there (at both ends that of the next interval: it may be
    infinite), and the function's increments."""
    masses = _mass(_ANGLES, r)
    widths = np.diff(masses)
    half, sine = np.sin(_ANGLES[1:-1] / 2), np.sin(_ANGLES[1:-1])
    slopes = ((1.0 - r) ** 2 + 4.0 * r * half * half) * (0.5 * math.pi) / (sine * sine)
    ends = np.diff(_ANGLES[:2]) / widths[[0, -1]]
    return masses, np.concatenate([ends[:1], slopes, ends[1:]]), widths


def _mass(theta: Floats, r: float, sine: Floats | None = None) -> Floats:
    """F(theta), clipped to [0, 1]; |r| <= 1. sine: of theta, where it is known."""
    sine = np.sin(theta) if sine is None else sine
    if abs(r) < _SERIES_BELOW:
        n = np.arange(2, _TERMS)[:, None]
        sines = np.sin(n * theta) / n
        tail = (float(r) ** (n - 2.0) * sines).sum(axis=0)
        value = theta + r * sine + r * r * tail - tail
    else:
        t = np.arctan2(r * sine, 1.0 - r * np.cos(theta))
        value = theta + sine / r - (1.0 - r * r) / (r * r) * t
    return np.asarray(np.minimum(np.maximum(value / math.pi, 0.0), 1.0))
