"""The likelihood of the HTMP law in u = log kappa and v = log scale, maximised over v at every u (profile likelihood).

Laws are tabulated once for each (gamma, kappa), so the search walks on a fixed grid of u: the tables serve the next
spectrum of the same shape and every bootstrap replicate. The profile is smooth in u on the scale of one, whatever the
sample size, so seven grid points give its maximum and curvature by interpolation to about 1e-5.

Values may carry masses (quadrature rules: a weighted likelihood), and only the largest may be known (censored: the
others contribute the law's mass below the smallest known value). The inverse law's likelihood is this one at 1/values.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from htmu_diag.fits.intervals import Z95
from htmu_diag.laws import HTMP
from htmu_diag.spectrum import Floats

__all__ = ["Likelihood", "Peak"]

STEP = 0.25  # of the grid in log kappa; half of it moves kappa by less than 0.1 %
LOWEST, HIGHEST = round(math.log(1e-3) / STEP), round(math.log(1e4) / STEP)
_SIDE = 3  # grid points on each side of the maximum
_DELTA = 1e-3  # of the difference quotients in v
_NEWTON_STEPS = 30
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
        return float(self._at(u, np.array([v]))[0])

    def maximise(self, near_u: float) -> Peak:
        """Walk uphill on the grid from near_u, then interpolate."""
        top = self._climb(min(max(round(near_u / STEP), LOWEST), HIGHEST))
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
        last_u, last = peak.u, 0.0
        index = math.floor(peak.u / STEP) + 1 if direction > 0 else math.ceil(peak.u / STEP) - 1
        while LOWEST <= index <= HIGHEST:
            root = math.sqrt(2 * max(peak.log_likelihood - self._at_grid(index)[0], 0.0))
            fall = root / (Z95 * factor(index * STEP))
            if fall >= 1:
                return last_u + (index * STEP - last_u) * (1 - last) / (fall - last)
            last_u, last, index = index * STEP, fall, index + direction
        return direction * math.inf

    def _climb(self, index: int) -> int:
        while True:
            neighbours = [k for k in (index, index - 1, index + 1) if LOWEST <= k <= HIGHEST]
            best = max(neighbours, key=lambda k: self._at_grid(k)[0])
            if best == index:
                return index
            index = best

    def _at_grid(self, index: int) -> tuple[float, float, float]:
        if index not in self._profile:
            v, height, _, curvature = self._best_v(index * STEP, self._start(index))
            self._profile[index] = (height, v, curvature)
        return self._profile[index]

    def _start(self, index: int) -> float:
        """v on the line through the two next grid points on one side; that of the next one, or of the mean."""
        for side in (1, -1):
            if index + side in self._profile:
                near = self._profile[index + side][1]
                return 2 * near - self._profile[index + 2 * side][1] if index + 2 * side in self._profile else near
        return self._log_mean()

    def _best_v(self, u: float, v: float) -> tuple[float, float, bool, float]:
        """Newton's method in v from difference quotients: (v, log L, settled, d2 log L/dv2)."""
        size = self.masses.sum()
        for _ in range(_NEWTON_STEPS):
            low, mid, high = self._at(u, v + _DELTA * np.array([-1.0, 0.0, 1.0]))
            slope, curvature = (high - low) / (2 * _DELTA), (high - 2 * mid + low) / _DELTA**2
            bend = -curvature if curvature < 0 else size
            step = max(min(slope / bend, 0.5), -0.5)
            v += step
            if abs(step) * math.sqrt(bend) < _SETTLED:
                return v, float(mid + slope * step / 2), True, -bend
        return v, float(mid), False, -bend

    def _at(self, u: float, v: Floats) -> Floats:
        law = HTMP(self.gamma, math.exp(u))
        scaled = self.values / np.exp(v)[:, None]
        total = law.logpdf(scaled) @ self.masses - v * self.masses.sum()
        if self.unseen:
            total += self.unseen * (law.logsf(scaled[:, -1]) if self.unseen_above else law.logcdf(scaled[:, 0]))
        return np.asarray(np.nan_to_num(total, nan=-1e300, neginf=-1e300))

    def _log_mean(self) -> float:
        return math.log(float(self.values @ self.masses) / float(self.masses.sum()))


def _vertex(x: Floats, y: Floats, near: float) -> tuple[float, float]:
    """Maximum of the interpolating polynomial within one grid step of ``near``, and its second derivative there."""
    polynomial = np.polynomial.Polynomial.fit(x, y - y.max(), x.size - 1)
    fine = np.linspace(max(near - STEP, x[0]), min(near + STEP, x[-1]), 1001)
    best = float(fine[np.argmax(polynomial(fine))])
    return best, float(polynomial.deriv(2)(best))
