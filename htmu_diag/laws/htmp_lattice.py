"""The HTMP law on a lattice: one row of numbers for each kappa of a grid, rows between them by interpolation.

In t = log(x/mean) the logarithms of the density and of both tails are smooth in t, but for the Marchenko-Pastur edges
that show at large kappa, and smooth in log kappa on the scale of one. So rows on one set of nodes for each gamma, dense
at the edges, serve every spectrum of that gamma: six rows a quarter apart in log kappa give the row of any kappa, and
cubic Hermite interpolation gives log f at any point: to 1e-5 where the law has mass (6e-5 at a quantile of 1e-6), in
microseconds, and without a table of its own for each kappa that a fit ends at.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from htmu_diag.laws.hermite import hermite
from htmu_diag.laws.htmp_stored import stored_rows
from htmu_diag.laws.htmp_table import Table, ends, table
from htmu_diag.spectrum import Floats

if TYPE_CHECKING:
    from htmu_diag.laws.riccati import Panels

__all__ = ["FIRST", "LAST", "POINTS", "STEP", "Lattice", "Row", "grid_row", "lattice", "row_at"]

Indices = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

STEP = 0.25  # of the grid in log kappa
FIRST, LAST = -30, 37  # on the grid: solved at once, kappa from 5e-4 to 1e4
POINTS = 6  # rows behind one between them
_EIGHTS = -36  # place of the first eight: the windows of ``htmp_windows`` are two of them
_LOW, _HIGH = -740.0, 16.0  # in t: every positive float over its mean, and 10**7 times the mean
_WIDEST, _GROWTH = 0.03, 0.06  # of the node distance: at most, per distance from an edge
_FINEST = 8e-4  # at an edge, times the width of the law
_LOG_2 = math.log(2.0)
_FAR = 0.04  # of the node distance beyond |t| = 1, times |t|


@dataclass(frozen=True)
class Lattice:
    """nodes: (m,) ascending in t."""

    nodes: Floats

    @cached_property
    def ascending(self) -> list[float]:
        """The nodes as Python's floats, for one point at a time."""
        return [float(t) for t in self.nodes]

    @cached_property
    def widths(self) -> Floats:
        """(m,) of the interval that ends at each node; nothing ends at the first."""
        return np.diff(self.nodes, prepend=self.nodes[0])

    def places(self, t: Floats) -> tuple[Indices, Floats, Floats]:
        """The interval of each point, its length, and how far along it the point lies, 0 to 1."""
        i = np.minimum(np.maximum(np.searchsorted(self.nodes, t, side="right") - 1, 0), self.nodes.size - 2)
        left = self.nodes[i]
        width = self.nodes[i + 1] - left
        return i, width, (t - left) / width

    def covers(self, low: float, high: float) -> bool:
        return bool(low >= self.nodes[0] and high < self.nodes[-1])


@dataclass(frozen=True)
class Row:
    """log g (g the density of t), its first two derivatives, log F and log(1 - F) at the nodes: (5, m).

    Also the stand-in of ``htmp_table.Table`` for the law of one kappa, in t = log(x/mean).
    """

    lattice: Lattice
    data: Floats

    def log_g(self, t: Floats) -> Floats:
        return self._hermite(t, self.data[0], self.data[1])

    def log_g_slopes(self, t: Floats) -> Floats:
        """(3, n): log g and two derivatives."""
        i, _, s = self.lattice.places(t)
        second = self.data[2][i] * (1 - s) + self.data[2][i + 1] * s
        parts = [self._hermite(t, self.data[0], self.data[1]), self._hermite(t, self.data[1], self.data[2]), second]
        return np.asarray(parts)

    def log_tails(self, t: Floats) -> tuple[Floats, Floats]:
        """(log F, log(1 - F)): the smaller one is interpolated, the other follows."""
        below, places = t < self._middle, self.lattice.places(t)
        small = np.minimum(self._smaller(below, places), 0.0)
        with np.errstate(divide="ignore"):
            rest = np.log(-np.expm1(small))
        return np.where(below, small, rest), np.where(below, rest, small)

    def quantile(self, log_q: Floats, log_p: Floats) -> Floats:
        """t with F = q or 1 - F = p, by Newton's method from the nodes."""
        if log_q.size == 1:
            return np.full(log_q.shape, self._quantile_at(float(log_q.item()), float(log_p.item())))
        left = log_q < log_p
        nodes = self.lattice.nodes
        guess = np.where(left, np.interp(log_q, self.data[3], nodes), np.interp(-log_p, -self.data[4], nodes))
        t, target, sign = guess, np.where(left, log_q, log_p), np.where(left, 1.0, -1.0)
        for _ in range(3):
            places = self.lattice.places(t)
            tail = np.minimum(self._smaller(left, places), 0.0)
            slope = np.exp(np.minimum(hermite(self.data[0], self.data[1], *places) - tail, 300.0))
            t = t - np.minimum(np.maximum(sign * (tail - target) / np.maximum(slope, 1e-300), -0.5), 0.5)
        return np.asarray(t)

    def _smaller(self, below: Mask, places: tuple[Indices, Floats, Floats]) -> Floats:
        """log F for the points below, log(1 - F) for the others."""
        i, width, s = places
        low, rise = self._flat_tails
        return np.asarray(hermite(low, rise, np.where(below, i, i + self.lattice.nodes.size), width, s))

    def _quantile_at(self, log_q: float, log_p: float) -> float:
        """Of one point, as `quantile` finds it, a fifth of the price."""
        left, nodes = log_q < log_p, self.lattice.nodes
        which, target, sign = (3, log_q, 1.0) if left else (4, log_p, -1.0)
        t = float(np.interp(log_q, self.data[3], nodes) if left else np.interp(-log_p, -self.data[4], nodes))
        for _ in range(3):
            i, width, s = self._place(t)
            tail = min(self._one(which, self._slopes[which - 3], i, width, s), 0.0)
            slope = math.exp(min(self._one(0, self.data[1], i, width, s) - tail, 300.0))
            t -= min(max(sign * (tail - target) / max(slope, 1e-300), -0.5), 0.5)
        return t

    def tail_at(self, t: float, *, above: bool) -> tuple[float, float, float]:
        """log F (or log(1 - F), above) at one point, and its first two derivatives in t."""
        place = self._place(t)
        g, slope = self._one(0, self.data[1], *place), self._one(1, self.data[2], *place)
        log_mass = self._log_tail(t, above, place)
        rate = math.exp(min(g - log_mass, 300.0))
        return (log_mass, -rate, -rate * (slope + rate)) if above else (log_mass, rate, rate * (slope - rate))

    def _log_tail(self, t: float, above: bool, place: tuple[int, float, float]) -> float:
        upper = t >= self._middle
        small = min(self._one(4 if upper else 3, self._slopes[int(upper)], *place), 0.0)
        return small if upper == above else math.log(-math.expm1(small)) if small < 0 else -math.inf

    def _place(self, t: float) -> tuple[int, float, float]:
        """As `Lattice.places`, of one point."""
        nodes = self.lattice.ascending
        i = min(max(bisect_right(nodes, t) - 1, 0), len(nodes) - 2)
        width = nodes[i + 1] - nodes[i]
        return i, width, (t - nodes[i]) / width

    def _one(self, which: int, slopes: Floats, i: int, width: float, s: float) -> float:
        values, ends = self.data[which, i : i + 2].tolist(), slopes[i : i + 2].tolist()
        return float(hermite(values, ends, 0, width, s))

    @cached_property
    def _middle(self) -> float:
        """Where 1 - F is a half: between two nodes."""
        above = self.data[4]
        i = min(max(above.size - int(above[::-1].searchsorted(-_LOG_2)), 1), above.size - 1)
        return float(np.interp(_LOG_2, -above[i - 1 : i + 1], self.lattice.nodes[i - 1 : i + 1]))

    @cached_property
    def _slopes(self) -> Floats:
        """(2, m): of log F and log(1 - F)."""
        g = self.data[0]
        rates = np.exp(np.minimum(np.stack([g - self.data[3], g - self.data[4]]), 300.0))
        return np.asarray(rates * np.array([[1.0], [-1.0]]))

    @cached_property
    def _flat_tails(self) -> tuple[Floats, Floats]:
        """(2 m,) each: log F then log(1 - F), and their slopes."""
        return self.data[3:].ravel(), self._slopes.ravel()

    def _hermite(self, t: Floats, values: Floats, slopes: Floats) -> Floats:
        return np.asarray(hermite(values, slopes, *self.lattice.places(t)))


@lru_cache(maxsize=256)
def lattice(gamma: float) -> Lattice:
    """The nodes for one aspect ratio."""
    edges = [2 * math.log1p(math.sqrt(gamma))]
    if gamma < 1:
        edges.append(2 * math.log1p(-math.sqrt(gamma)))
    finest = _FINEST * min(math.sqrt(gamma), 0.5)
    return Lattice(np.array(_march(0.0, _LOW, edges, finest)[:0:-1] + _march(0.0, _HIGH, edges, finest)))


def _march(start: float, end: float, edges: list[float], finest: float) -> list[float]:
    nodes, sign = [start], 1.0 if end > start else -1.0
    while (end - nodes[-1]) * sign > 0:
        t = nodes[-1]
        near = min(abs(t - edge) for edge in edges)
        nodes.append(t + sign * min(max(finest, _GROWTH * near), max(_WIDEST, _FAR * (abs(t) - 1))))
    return nodes


def grid_row(gamma: float, index: int) -> Row:
    """The row at log kappa = index * STEP; 40 kB. Of most ratios a file has it (``htmp_stored``), and eight are made
    together; of the others, the first one solves the equation for all, in 0.1 s."""
    first = max(index - (index - _EIGHTS) % 8, FIRST)
    rows = _eight(gamma, first) if FIRST <= index <= LAST else None
    return _own_row(gamma, index) if rows is None else rows[index - first]


@lru_cache(maxsize=128)
def _eight(gamma: float, first: int) -> list[Row] | None:
    """This one and its neighbours up to the next eighth, always together; None where no file has them."""
    last, where = min(first + 7 - (first - _EIGHTS) % 8, LAST), lattice(gamma)
    stored = stored_rows(gamma, np.exp(STEP * np.arange(first, last + 1)), first - FIRST, where.nodes)
    return None if stored is None else [Row(where, row) for row in stored]


@lru_cache(maxsize=768)
def _own_row(gamma: float, index: int) -> Row:
    kappa, where = math.exp(index * STEP), lattice(gamma)
    a, c = _parameters(gamma, kappa)
    own = Table.build(a, c, _solved(gamma)[index - FIRST]) if FIRST <= index <= LAST else table(a, c)
    return Row(where, own.slopes_and_tails(where.nodes + math.log(kappa / (2.0 * gamma))))


@lru_cache(maxsize=16)
def _solved(gamma: float) -> list[Panels]:
    """The equation's solutions at the grid's kappas from FIRST to LAST; 0.8 MB."""
    from htmu_diag.laws.riccati_all import solve_all  # where no stored rows will do

    a, c = np.array([_parameters(gamma, math.exp(k * STEP)) for k in range(FIRST, LAST + 1)]).T
    return solve_all(a, c, *ends(a, c))


def _parameters(gamma: float, kappa: float) -> tuple[float, float]:
    """(a, c) of the unit law."""
    return 0.5 * kappa * (1.0 - gamma) / gamma - 1.0, 0.5 * kappa


def row_at(gamma: float, kappa: float) -> Row:
    """The row of any kappa, by a polynomial in log kappa through the six nearest."""
    place = math.log(kappa) / STEP
    if abs(place - round(place)) < 1e-12:
        return grid_row(gamma, round(place))
    first = math.floor(place) - POINTS // 2 + 1
    data = sum(w * grid_row(gamma, first + i).data for i, w in enumerate(_lagrange(place - first)))
    return Row(lattice(gamma), np.asarray(data))


def _lagrange(x: float) -> list[float]:
    """Weights of the values at 0, 1, ..., 5 in the polynomial through them, at x."""
    return [math.prod((x - j) / (i - j) for j in range(POINTS) if j != i) for i in range(POINTS)]
