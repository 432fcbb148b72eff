"""The likelihood of the HTMP law in u = log kappa and v = log scale, maximised over v at every u (profile likelihood).

Laws are tabulated once for each (gamma, kappa), so the search stays on a fixed grid of u: the tables serve the next
spectrum of the same shape and every bootstrap replicate. The profile is smooth in u on the scale of one, whatever the
sample size, so seven grid points give its maximum and curvature by interpolation to about 1e-5. It has one maximum,
but for the flat end at large kappa, where a second, lower one may lie; so the search starts below that, in strides.

Values may carry masses (quadrature rules: a weighted likelihood), and only the largest may be known (censored: the
others contribute the law's mass below the smallest known value). The inverse law's likelihood is this one at 1/values.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from htmu_diag.fits.integer_search import first_above, highest
from htmu_diag.fits.intervals import Z95
from htmu_diag.laws import HTMP
from htmu_diag.spectrum import Floats

__all__ = ["Likelihood", "Peak"]

STEP = 0.25  # of the grid in log kappa; half of it moves kappa by less than 0.1 %
LOWEST, HIGHEST = round(math.log(1e-3) / STEP), round(math.log(1e4) / STEP)
_SIDE = 3  # grid points on each side of the maximum
_DELTA = 1e-3  # of the difference quotients in v of what is unseen
_NEWTON_STEPS = 30
_SHORT, _LONGEST = 0.5, 4.0  # its first step in v at most; twice as much each time that is too short, up to the second
_NO_HEIGHT = -1e300  # a log likelihood below all others
_SETTLED = 0.03  # of a standard error in v: Newton's method squares it, so the step that is taken leaves 1e-4 and less


@dataclass(frozen=True)
class Peak:
    """The maximum of the profile: log kappa and log scale, their standard errors as if values were independent.

    slope: d(log scale)/d(log kappa) along the profile. edge: the maximum lies at the end of the grid.
    """

    u: float
    v: float
    u_stderr: float
    v_stderr: float
    log_likelihood: float
    edge: bool
    settled: bool


@dataclass
class Likelihood:
    """values: (n,) ascending positive; masses: (n,), sum = eigenvalues they stand for; unseen: further ones.

    unseen_above: the unseen eigenvalues lie above the largest value (the reciprocals of a top-k spectrum), not below.
    """

    values: Floats
    masses: Floats
    gamma: float
    unseen: float = 0.0
    unseen_above: bool = False
    _profile: dict[int, tuple[float, float, float]] = field(default_factory=dict)  # grid index -> (log L, v, log L_vv)

    def at(self, u: float, v: float) -> float:
        """Log likelihood at one point."""
        return self._slopes(HTMP(self.gamma, math.exp(u)), v)[0]

    def maximise(self, near_u: float) -> Peak:
        """The highest grid point uphill from near_u, then interpolation."""
        start = min(max(round(near_u / STEP), LOWEST), HIGHEST)
        top = highest(lambda index: self._at_grid(index)[0], start, LOWEST, HIGHEST)
        centre = min(max(top, LOWEST + _SIDE), HIGHEST - _SIDE)
        around = np.arange(-_SIDE, _SIDE + 1.0)
        heights, v, v_curvature = np.array([self._at_grid(centre + int(k)) for k in around]).T
        u, height_curvature = _vertex(around * STEP, heights, (top - centre) * STEP)
        path = np.polynomial.Polynomial.fit(around * STEP, v, 2 * _SIDE)
        curvature = float(np.interp(u, around * STEP, v_curvature))
        v_hat, log_likelihood, settled = self._best_v(centre * STEP + u, float(path(u)))[:3]
        u_var = -1 / height_curvature if height_curvature < 0 else math.inf
        v_var = -1 / curvature + (float(path.deriv()(u)) ** 2 * u_var if u_var < math.inf else 0.0)
        edge = top in (LOWEST, HIGHEST)
        return Peak(centre * STEP + u, v_hat, math.sqrt(u_var), math.sqrt(v_var), log_likelihood, edge, settled)

    def interval(self, peak: Peak, factor: Callable[[float], float]) -> tuple[float, float]:
        """95 % interval of u: where the profile falls by 1.92 factor(u)**2; infinite where the grid ends before.

        factor corrects the standard error for the repulsion of the values, at the u that is tested: the estimate's own
        would be too small where the estimate is far too large. Narrow intervals are normal ones.
        """
        half = Z95 * factor(peak.u) * peak.u_stderr
        if half < 2 * STEP and not peak.edge:
            return peak.u - half, peak.u + half
        return self._crossing(peak, -1, factor), self._crossing(peak, 1, factor)

    def _crossing(self, peak: Peak, direction: int, factor: Callable[[float], float]) -> float:
        """Where the profile crosses its level, linear in the root of the fall between grid points."""
        first = math.floor(peak.u / STEP) + 1 if direction > 0 else math.ceil(peak.u / STEP) - 1

        def fall(k: int) -> float:
            """The root of what the profile has fallen by at the k-th grid point from the peak, 1 at the level."""
            if k < 0:
                return 0.0
            index = first + direction * k
            below = max(peak.log_likelihood - self._at_grid(index)[0], 0.0)
            return math.sqrt(2 * below) / (Z95 * factor(index * STEP))

        limit = HIGHEST - first if direction > 0 else first - LOWEST
        beyond = first_above(fall, 1.0, limit) if limit >= 0 else None
        if beyond is None:
            return direction * math.inf
        u = (first + direction * (beyond - 1)) * STEP if beyond else peak.u
        share = (1 - fall(beyond - 1)) / (fall(beyond) - fall(beyond - 1))
        return u + ((first + direction * beyond) * STEP - u) * share

    def _at_grid(self, index: int) -> tuple[float, float, float]:
        if index not in self._profile:
            v, height, _, curvature = self._best_v(index * STEP, self._start(index))
            self._profile[index] = (height, v, curvature)
        return self._profile[index]

    def _start(self, index: int) -> float:
        """v on the line through the two nearest grid points, or that of the nearest, or of the mean."""
        near = sorted(self._profile, key=lambda k: abs(k - index))[:2]
        if not near:
            return self._log_mean()
        v = self._profile[near[0]][1]
        if len(near) == 1 or abs(near[1] - index) > 2:
            return v
        slope = (v - self._profile[near[1]][1]) / (near[0] - near[1])
        return v + slope * (index - near[0])

    def _best_v(self, u: float, v: float) -> tuple[float, float, bool, float]:
        """Newton's method in v, within what is known to hold the maximum: (v, log L, settled, d2 log L/dv2)."""
        law = HTMP(self.gamma, math.exp(u))
        low, high, longest, came_from = -math.inf, math.inf, _SHORT, v
        for _ in range(_NEWTON_STEPS):
            height, slope, curvature = self._slopes(law, v)
            if not math.isfinite(height + curvature):  # so far off that a value has no density
                v, longest = (v + came_from) / 2, _SHORT
                continue
            low, high, came_from = (v, high, v) if slope > 0 else (low, v, v)
            step = -slope / curvature if curvature < 0 else math.copysign(math.inf, slope)
            if curvature < 0 and -curvature * step * step < _SETTLED**2:
                return v + step, height + slope * step / 2, True, curvature
            step = max(min(step, longest), -longest)
            longest = min(2 * longest, _LONGEST) if abs(step) == longest else longest
            v = v + step if low < v + step < high else (low + high) / 2
        return v, height if math.isfinite(height) else _NO_HEIGHT, False, -1.0

    def _slopes(self, law: HTMP, v: float) -> tuple[float, float, float]:
        """log L at v = log scale, and its first two derivatives in v; not finite where a value has no density."""
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            slopes: list[float] = (law.log_slopes(self.values / np.exp(v)) @ self.masses).tolist()
            height, slope, curvature = slopes[0] - self._log_values, -slopes[1], slopes[2]
            if self.unseen:
                low, mid, high = self.unseen * self._log_unseen(law, v + _DELTA * np.array([-1.0, 0.0, 1.0]))
                height, slope = height + mid, slope + (high - low) / (2 * _DELTA)
                curvature += (high - 2 * mid + low) / _DELTA**2
        return float(height), float(slope), float(curvature)

    def _log_unseen(self, law: HTMP, v: Floats) -> Floats:
        """Log of the mass where an unseen eigenvalue lies, at each v."""
        return law.logsf(self.values[-1] / np.exp(v)) if self.unseen_above else law.logcdf(self.values[0] / np.exp(v))

    @cached_property
    def _log_values(self) -> float:
        return float(np.log(self.values) @ self.masses)

    def _log_mean(self) -> float:
        return math.log(float(self.values @ self.masses) / float(self.masses.sum()))


def _vertex(x: Floats, y: Floats, near: float) -> tuple[float, float]:
    """Maximum of the interpolating polynomial within one grid step of ``near``, and its second derivative there."""
    polynomial = np.polynomial.Polynomial.fit(x, y - y.max(), x.size - 1)
    fine = np.linspace(max(near - STEP, x[0]), min(near + STEP, x[-1]), 1001)
    best = float(fine[np.argmax(polynomial(fine))])
    return best, float(polynomial.deriv(2)(best))
