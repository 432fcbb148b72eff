"""Log density, distribution and survival function of the unit HTMP law as piecewise polynomials in t = log y.

Let g(t) = y f(y) be the density of log y. From w (see ``riccati``): g = -Im w / pi in the bulk; outside, where Im w is
exponentially small beside w, log g is the integral of 1 + a - y + 2 c Re w, its closed part kept apart from the
polynomial. The ratios L = F/g on the left and R = (1-F)/g on the right of the maximum of g solve

    L' = 1 - L (log g)',        R' = -1 - R (log g)',

stably towards the maximum; they are smooth where F and g fall over thousands of orders of magnitude, so
cdf and sf keep relative accuracy in their tails. At the junction F + (1-F) is 1 to 2e-11 or better, which checks the
whole table; both are divided by it, so that F does not step back there.
Below the table y is negligible beside 1 and w' = (1+a) w + c w**2 is solved in closed form; above it w = 1 + O(1/y).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from htmu_diag.laws.chebyshev import Collocation, Indices, collocation, series
from htmu_diag.laws.htmp_nodes import log_density, ratios
from htmu_diag.spectrum import Floats

if TYPE_CHECKING:
    from htmu_diag.laws.riccati import Panels

__all__ = ["Table", "ends", "table"]

Mask = npt.NDArray[np.bool_]

_FAR = 1e5  # the table ends at this multiple of 1 + mean; beyond, w = 1 + const/y is exact to 1e-10
_NEAR = 1e-17  # the table starts at this multiple of 1/(1 + c) or of the mean
_NEWTON_STEPS = 40


@functools.lru_cache(maxsize=1024)
def table(a: float, c: float) -> Table:
    """The table of the law with parameters (a, c), built in 1 to 10 ms and kept for the next call."""
    from htmu_diag.laws.riccati import solve  # where no stored row will do

    low, high = ends(np.array([a]), np.array([c]))
    return Table.build(a, c, solve(a, c, float(low[0]), float(high[0])))


def ends(a: Floats, c: Floats) -> tuple[Floats, Floats]:
    """Where tables begin and end, in y, (n,) each."""
    mean = a + c + 1.0
    return _NEAR * np.minimum(1.0 / (1.0 + c), mean), _FAR * (1.0 + mean)


@dataclass(frozen=True)
class Table:
    """The unit HTMP law (a, c) of y; mean a + c + 1.

    edges: (panels + 1,) in t = log y; middle: the edge where L hands over to R.
    coefficients: (panels, 2, degree + 1) Chebyshev coefficients of the polynomial part of log g, and of L or R.
    closed: (panels,) 1 where log g has the closed part (1+a)(t - t_left) - y_left expm1(t - t_left), else 0.
    w_low, w_high: w at the two ends; log_g_low, log_g_high: log g there.
    """

    a: float
    c: float
    edges: Floats
    middle: int
    coefficients: Floats
    closed: Floats
    w_low: complex
    w_high: complex
    log_g_low: float
    log_g_high: float

    @classmethod
    def build(cls, a: float, c: float, panels: Panels) -> Table:
        log_g, polynomial, closed = log_density(a, c, panels)
        ratio = ratios(a, c, panels, math.exp(log_g[0]))
        coefficients = np.stack([polynomial, ratio], axis=1) @ panels.rule.to_coefficients.T
        w_low, w_high = complex(panels.w[0, 0]), complex(panels.w[-1, -1])
        return cls(
            a, c, panels.edges, panels.middle, coefficients, closed, w_low, w_high, float(log_g[0]), float(log_g[-1])
        )

    def log_g(self, t: Floats) -> Floats:
        """log of y f(y) at t = log y, (n,)."""
        return np.asarray(self._evaluate(t, 1)[0])

    def log_g_slopes(self, t: Floats) -> Floats:
        """(3, n): log g at t = log y, and its first two derivatives with respect to t."""
        return self._orders(t)[:3]

    def log_tails(self, t: Floats) -> tuple[Floats, Floats]:
        """(log F, log(1 - F)) at t = log y, each with relative accuracy in its own tail."""
        return self._tails(t, *self._evaluate(t))

    def slopes_and_tails(self, t: Floats) -> Floats:
        """(5, n): both of these, at the cost of the first."""
        orders = self._orders(t)
        return np.concatenate([orders[:3], self._tails(t, orders[0], orders[3])])

    def _tails(self, t: Floats, log_g: Floats, ratio: Floats) -> tuple[Floats, Floats]:
        small = np.minimum(log_g + np.log(ratio) - self._log_mass, 0.0)
        rest = np.log(-np.expm1(small))
        below = t < self.edges[self.middle]
        return np.where(below, small, rest), np.where(below, rest, small)

    def _orders(self, t: Floats) -> Floats:
        """(4, n): log g, its first two derivatives, and L or R."""
        index, s, z = self._places(t)
        out = series(self._order_coefficients, index, z)
        closed, y = self.closed[index], np.exp(self.edges[index] + s)
        out[0] += closed * self._closed_part(index, s)
        out[1] += closed * (1.0 + self.a - y)
        out[2] -= closed * y
        for ends, continued, edge in self._outside(t):
            out[:, ends] = continued(t[ends] - edge)
        return out

    def quantile(self, log_q: Floats, log_p: Floats) -> Floats:
        """t = log y with F = q or 1 - F = p = 1 - q, solved on the side where the tail is the small one."""
        top = self.edges[self.middle]
        left = log_q < self.log_tails(np.array([top]))[0]
        target = np.where(left, log_q, log_p) + self._log_mass
        sign = np.where(left, 1.0, -1.0)
        t = np.where(left, self._guess(log_q, left=True), self._guess(log_p, left=False))
        for _ in range(_NEWTON_STEPS):
            log_g, ratio = self._evaluate(np.where(left, np.minimum(t, np.nextafter(top, -np.inf)), np.maximum(t, top)))
            step = sign * (log_g + np.log(ratio) - target) * ratio
            t = t - step
            if (np.abs(step) <= 1e-8).all():  # Newton: the next step would be 1e-15
                break
        return t

    @property
    def _rule(self) -> Collocation:
        return collocation(self.coefficients.shape[2] - 1)

    @functools.cached_property
    def _log_mass(self) -> float:
        """log of F + (1 - F) at the middle: 0 but for the table's error, and both tails are divided by the mass."""
        sides = self.coefficients[self.middle - 1 : self.middle + 1]  # the left one's value at 1, the right one's at -1
        left, right = sides[0].sum(axis=1), sides[1, :, ::2].sum(axis=1) - sides[1, :, 1::2].sum(axis=1)
        return math.log(math.exp(left[0]) * left[1] + math.exp(right[0]) * right[1])

    @functools.cached_property
    def _grid(self) -> tuple[Floats, Floats, Floats, Floats]:
        """t ascending and log F left of the middle; t and log(1-F) right of it, ascending in log(1-F)."""
        width = np.diff(self.edges)[:, None]
        t = self.edges[:-1, None] + 0.5 * width * (self._rule.nodes[:-1] + 1.0)
        left, right = t[: self.middle].ravel(), t[self.middle :].ravel()
        return left, self.log_tails(left)[0], right[::-1], self.log_tails(right)[1][::-1]

    def _guess(self, log_mass: Floats, *, left: bool) -> Floats:
        t_left, log_f, t_right, log_s = self._grid
        return np.interp(log_mass, log_f, t_left) if left else np.interp(log_mass, log_s, t_right)

    @functools.cached_property
    def _order_coefficients(self) -> Floats:
        """(panels, 4, degree + 1): of the polynomial part of log g, of its two derivatives in t, and of L or R."""
        orders, per_t = [self.coefficients[:, 0]], (2.0 / np.diff(self.edges))[:, None]
        for _ in range(2):
            orders.append(per_t * (orders[-1] @ self._rule.derivative.T))
        return np.stack([*orders, self.coefficients[:, 1]], axis=1)

    def _evaluate(self, t: Floats, count: int = 2) -> Floats:
        """(count, n): log g, and L or R, at t; the table's ends continued by their closed forms."""
        index, s, z = self._places(t)
        out = series(self.coefficients[:, :count], index, z)
        out[0] += self.closed[index] * self._closed_part(index, s)
        for ends, continued, edge in self._outside(t):
            found = continued(t[ends] - edge)
            out[:, ends] = found[[0, 3]][:count]
        return out

    def _places(self, t: Floats) -> tuple[Indices, Floats, Floats]:
        """The panel of each point, its distance from the panel's left end, and its place in [-1, 1]."""
        inner = np.minimum(np.maximum(t, self.edges[0]), self.edges[-1])
        index = np.minimum(np.searchsorted(self.edges, inner, side="right") - 1, self.closed.size - 1)
        left = self.edges[index]
        s = inner - left
        return index, s, 2.0 * s / (self.edges[index + 1] - left) - 1.0

    def _closed_part(self, index: Indices, s: Floats) -> Floats:
        return np.asarray((1.0 + self.a) * s - np.exp(self.edges[index]) * np.expm1(s))

    def _outside(self, t: Floats) -> Iterator[tuple[Mask, Callable[[Floats], Floats], float]]:
        """Points beyond an end of the table, the closed form there, and the end that it starts from."""
        low, high = t < self.edges[0], t > self.edges[-1]
        if low.any():
            yield low, self._below, float(self.edges[0])
        if high.any():
            yield high, self._above, float(self.edges[-1])

    def _below(self, s: Floats) -> Floats:
        """(4, n): log g, its two derivatives, and L at t_low + s, s < 0: w' = (1+a) w + c w**2 in closed form."""
        e, g, u = 1.0 + self.a, math.exp(self.log_g_low), self.c * self.w_low.real
        phi = -np.expm1(e * s) / e if e > 0.0 else -s
        phase, fall = math.pi * self.c * g, -np.exp(e * s)  # fall: phi'
        square = (1.0 + u * phi) ** 2 + (phase * phi) ** 2
        log_g = self.log_g_low + e * s - np.log(square)
        half = u + (u * u + phase * phase) * phi  # of square' over phi'
        slope = 2.0 * half * fall / square
        bend = 2.0 * ((u * u + phase * phase) * fall**2 + e * half * fall) / square - slope**2
        size = e + u + phi * (u * u + phase * phase + e * u)
        z = phase * np.exp(e * s) / size
        slim = np.where(np.abs(z) < 1e-8, 1.0, np.arctan(z) / np.where(z == 0.0, 1.0, z))
        ratio = slim / size * np.exp(self.log_g_low + e * s - log_g)
        return np.stack([log_g, e - slope, -bend, ratio])

    def _above(self, s: Floats) -> Floats:
        """(4, n): log g, its two derivatives, and R at t_high + s, s > 0: w = 1 + (w_high - 1) y_high / y."""
        high, excess = np.exp(self.edges[-1]), 2.0 * self.c * (self.w_high.real - 1.0)
        power, y, rest = 1.0 + self.a + 2.0 * self.c, high * np.exp(s), excess * np.exp(-s)
        log_g = self.log_g_high + power * s - high * np.expm1(s) - excess * np.expm1(-s)
        slope = power + rest - y
        return np.stack([log_g, slope, -rest - y, -1.0 / slope])
