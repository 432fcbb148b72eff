"""The likelihood of the HTMP law in u = log kappa and v = log scale, maximised over v at every u (profile likelihood).

Laws are rows on a lattice in t = log(x/mean) (``laws.htmp_lattice``), tabulated once for each (gamma, kappa of a fixed
grid in u); they serve the next spectrum of the same shape. At one v the sample becomes masses on the lattice's nodes,
and the likelihood of every row is a product with these. The profile is smooth in u on the scale of one, whatever the
sample size, so seven grid points give its maximum and curvature by interpolation to about 1e-5. It has one maximum,
but for the flat end at large kappa, where a second, lower one may lie; so the search starts below that, in strides.

Values may carry masses (quadrature rules: a weighted likelihood), and only the largest may be known (censored: the
others contribute the law's mass below the smallest known value), or only those up to a cut (truncated). The inverse
law's likelihood is this one at 1/values.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, cached_property, lru_cache

import numpy as np

from htmu_diag.fits.integer_search import first_above, highest
from htmu_diag.fits.intervals import Z95
from htmu_diag.fits.sextic import SIDE, Sextic
from htmu_diag.laws.htmp_lattice import STEP, Indices, Row, grid_row, lattice, row_at
from htmu_diag.spectrum import Floats

__all__ = ["Likelihood", "Peak"]

# half of the grid's step moves kappa by less than 0.1 %
LOWEST, HIGHEST = round(math.log(1e-3) / STEP), round(math.log(1e4) / STEP)
_NEWTON_STEPS = 30
_SHORT, _LONGEST = 0.5, 4.0  # its first step in v at most; twice as much each time that is too short, up to the second
_NO_HEIGHT = -1e300  # a log likelihood below all others
# of a standard error in v: Newton's method squares it, so the step that is taken leaves 1e-4 and less of the profile's
_SETTLED, _NEARLY = 0.02, 0.1  # at the maximum, on the grid


@dataclass(frozen=True)
class Peak:
    """The maximum of the profile: log kappa and log scale, their standard errors as if values were independent.

    edge: the maximum lies at the end of the grid. row: of the law at u.
    """

    u: float
    v: float
    u_stderr: float
    v_stderr: float
    log_likelihood: float
    edge: bool
    settled: bool
    row: Row


@dataclass(frozen=True)
class _Best:
    """The maximum over v in one row. seen_at: the last v at which the likelihood was computed."""

    height: float
    v: float
    curvature: float
    seen_at: float
    settled: bool


_COLUMNS = ("height", "v", "curvature")


@dataclass
class Likelihood:
    """values: (n,) ascending positive; masses: (n,), sum = eigenvalues they stand for; unseen: further ones.

    inverse: the values are reciprocals, so the unseen eigenvalues lie above the largest value, not below the smallest.
    cut: all eigenvalues, the unseen included, are known to lie below it (above it, of reciprocals): the likelihood is
    that of the law given this.
    """

    values: Floats
    masses: Floats
    gamma: float
    unseen: float = 0.0
    inverse: bool = False
    cut: float | None = None
    _profile: dict[int, _Best] = field(default_factory=dict)  # by grid index
    _binned: dict[float, Floats | None] = field(default_factory=dict)  # by v

    def at(self, u: float, v: float) -> float:
        """Log likelihood at one point."""
        return self._slopes(row_at(self.gamma, math.exp(u)), v)[0]

    def maximise(self, near_u: float) -> Peak:
        """The highest grid point uphill from near_u, then interpolation."""
        start = min(max(round(near_u / STEP), LOWEST), HIGHEST)
        top = highest(self.profile, start, LOWEST, HIGHEST)
        centre = min(max(top, LOWEST + SIDE), HIGHEST - SIDE)
        found = [self._at_grid(centre + k) for k in range(-SIDE, SIDE + 1)]
        heights, v, v_curvature = (Sextic.through([getattr(each, name) for each in found]) for name in _COLUMNS)
        place = heights.highest(top - centre)
        row = row_at(self.gamma, math.exp((centre + place) * STEP))
        best = self._best_v(row, v.at(place), _SETTLED)
        bend = heights.bend(place) / STEP**2
        u_var = -1 / bend if bend < 0 else math.inf
        v_var = -1 / min(v_curvature.at(place), -1e-300)
        v_var += (v.slope(place) / STEP) ** 2 * u_var if u_var < math.inf else 0.0
        edge = top in (LOWEST, HIGHEST)
        stderr = math.sqrt(u_var), math.sqrt(v_var)
        return Peak((centre + place) * STEP, best.v, *stderr, best.height, edge, best.settled, row)

    def interval(
        self, peak: Peak, below: Callable[[float], float], above: Callable[[float], float]
    ) -> tuple[float, float]:
        """95 % interval of u: where the profile falls by 1.92 factor(u)**2; infinite where the grid ends before.

        below, above: factors that correct the standard error, on either side of the maximum and at the u that is
        tested: the estimate's own would be too small where the estimate is far too large. Narrow intervals are normal
        ones.
        """
        half = Z95 * above(peak.u) * peak.u_stderr
        if half < 2 * STEP and not peak.edge:
            return peak.u - half * below(peak.u) / above(peak.u), peak.u + half
        return self._crossing(peak, -1, below), self._crossing(peak, 1, above)

    def profile(self, place: int) -> float:
        """Log likelihood at a place of the grid, maximised over the scale."""
        return self._at_grid(place).height

    def _crossing(self, peak: Peak, direction: int, factor: Callable[[float], float]) -> float:
        """Where the profile crosses its level, linear in the root of the fall between grid points."""
        first = math.floor(peak.u / STEP) + 1 if direction > 0 else math.ceil(peak.u / STEP) - 1

        @cache
        def fall(k: int) -> float:
            """The root of what the profile has fallen by at the k-th grid point from the peak, 1 at the level."""
            if k < 0:
                return 0.0
            index = first + direction * k
            below = max(peak.log_likelihood - self._at_grid(index).height, 0.0)
            return math.sqrt(2 * below) / (Z95 * factor(index * STEP))

        limit = HIGHEST - first if direction > 0 else first - LOWEST
        beyond = first_above(fall, 1.0, limit) if limit >= 0 else None
        if beyond is None:
            return direction * math.inf
        u = (first + direction * (beyond - 1)) * STEP if beyond else peak.u
        share = (1 - fall(beyond - 1)) / (fall(beyond) - fall(beyond - 1))
        return u + ((first + direction * beyond) * STEP - u) * share

    def _at_grid(self, index: int) -> _Best:
        if index not in self._profile:
            start = self._profile[self._nearest(index)].seen_at if self._profile else self._log_mean()
            self._profile[index] = self._best_v(grid_row(self.gamma, index), start, _NEARLY)
        return self._profile[index]

    def _nearest(self, index: int) -> int:
        """The place of the profile that is nearest; of two the one that was there first."""
        apart = 1
        while not (sides := {index - apart, index + apart} & self._profile.keys()):
            apart += 1
        return next(k for k in self._profile if k in sides)

    def _best_v(self, row: Row, v: float, tolerance: float) -> _Best:
        """Newton's method in v, within what is known to hold the maximum."""
        low, high, longest, came_from = -math.inf, math.inf, _SHORT, v
        for _ in range(_NEWTON_STEPS):
            height, slope, curvature = self._slopes(row, v)
            if not math.isfinite(height + curvature):  # so far off that a value has no density
                v, longest = (v + came_from) / 2, _SHORT
                continue
            low, high, came_from = (v, high, v) if slope > 0 else (low, v, v)
            step = -slope / curvature if curvature < 0 else math.copysign(math.inf, slope)
            if curvature < 0 and -curvature * step * step < tolerance**2:
                return _Best(height + slope * step / 2, v + step, curvature, v, True)
            step = max(min(step, longest), -longest)
            longest = min(2 * longest, _LONGEST) if abs(step) == longest else longest
            v = v + step if low < v + step < high else (low + high) / 2
        return _Best(height if math.isfinite(height) else _NO_HEIGHT, v, -1.0, v, False)

    def _slopes(self, row: Row, v: float) -> tuple[float, float, float]:
        """log L at v = log scale, and its first two derivatives in v; not finite where a value has no density."""
        bins = self._bins(v)
        if bins is None:
            return -math.inf, 0.0, 0.0
        size = 2 * row.data.shape[1]
        orders, values = row.data.reshape(-1), bins[:size]
        height = orders[:size] @ values - self._log_values
        slope, curvature = -(orders[size // 2 : size // 2 * 3] @ values), orders[size : size // 2 * 3] @ bins[size:]
        for count, t in self._beside:
            log_mass, rate, bend = row.tail_at(t - v, above=self.inverse)
            height, slope, curvature = height + count * log_mass, slope - count * rate, curvature + count * bend
        return float(height), float(slope), float(curvature)

    @cached_property
    def _beside(self) -> list[tuple[float, float]]:
        """(count, log x): count times the log mass beyond x is what the unseen eigenvalues and the cut add."""
        found = [(self.unseen, float(self._t[-1 if self.inverse else 0]))] if self.unseen else []
        if self.cut is not None:
            found.append((-float(self.masses.sum()) - self.unseen, math.log(self.cut)))
        return found

    def _bins(self, v: float) -> Floats | None:
        """(3 nodes,): masses of the sample at log scale v that stand for values, for slopes, and for curvatures."""
        if v not in self._binned:
            t = self._t - v
            self._binned[v] = self._spread(t) if lattice(self.gamma).covers(t[0], t[-1]) else None
        return self._binned[v]

    def _spread(self, t: Floats) -> Floats:
        """The weights of cubic Hermite interpolation at the nodes about each point, and of linear interpolation."""
        where = lattice(self.gamma)
        i, nodes = where.nodes.searchsorted(t, "right"), where.nodes.size
        width, parts = where.widths[i], np.empty((6, t.size))
        _, right, turn, turned, rest, s = parts
        np.divide(where.nodes[i] - t, width, out=rest)
        np.subtract(1.0, rest, out=s)
        np.multiply(s * s, 3.0 - 2.0 * s, out=right)
        np.subtract(1.0, right, out=parts[0])
        bend = width * s * rest
        np.multiply(bend, rest, out=turn)
        np.subtract(turn, bend, out=turned)
        if not self._alike:
            parts *= self.masses
        ends = _ends(nodes) + i
        return np.asarray(np.bincount(ends.ravel(), parts.ravel(), 3 * nodes), np.float64)

    @cached_property
    def _alike(self) -> bool:
        return bool((self.masses == 1.0).all())

    @cached_property
    def _t(self) -> Floats:
        return np.log(self.values)

    @cached_property
    def _log_values(self) -> float:
        return float(self._t @ self.masses)

    def _log_mean(self) -> float:
        return math.log(float(self.values @ self.masses) / float(self.masses.sum()))


@lru_cache(maxsize=256)
def _ends(nodes: int) -> Indices:
    """(6, 1): where the weights of an interval's two ends lie in the three parts of the bins."""
    return np.array([[-1], [0], [nodes - 1], [nodes], [2 * nodes - 1], [2 * nodes]])
