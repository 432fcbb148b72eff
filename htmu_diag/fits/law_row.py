"""One law as a row of numbers: its log density of t = log(x/mean) on nodes, on even grids about its median, and along
levels of its mass."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from htmu_diag.spectrum import Floats

__all__ = ["EvenRows", "LevelRows", "Row", "Singles"]

Singles = npt.NDArray[np.float32]

_NOTHING = -60.0  # in single precision less is slow, and nothing beside contamination
_LEVELS = 1 / (1 + np.exp(-np.linspace(-14, 14, 512)))
_DEEPEST = -40.0  # of the log density at the ends of the mass


@dataclass(frozen=True)
class Row:
    """nodes: (m,) ascending in t; log_g: (m,) log density of t there. Mass that the nodes lack lies below them, or
    above."""

    nodes: Floats
    log_g: Floats
    lacks_above: bool = False

    @property
    def mirrored(self) -> Row:
        """Of 1/x."""
        return Row(
            np.ascontiguousarray(-self.nodes[::-1]), np.ascontiguousarray(self.log_g[::-1]), not self.lacks_above
        )

    @cached_property
    def density(self) -> Floats:
        """(m,) of t at the nodes."""
        return np.exp(self.log_g)

    @cached_property
    def quartiles(self) -> tuple[float, float, float]:
        """In t, the median in the middle."""
        low, middle, high = np.interp((0.25, 0.5, 0.75), self._mass, self.nodes)
        return float(low), float(middle), float(high)

    def even(self, step: float, reach: int) -> Singles:
        """(2 * reach + 1,) density of t on an even grid, its middle the row's median."""
        places = self.quartiles[1] + step * np.arange(-reach, reach + 1)
        log_g = np.interp(places, self.nodes, self.log_g, -np.inf, -np.inf)
        log_g[log_g < _NOTHING] = -np.inf
        return np.asarray(np.exp(log_g.astype(np.float32)))

    def along_levels(self) -> Floats:
        """(2, 512): t and the log density at levels of the mass, close together where it ends."""
        deep = (self.log_g > _DEEPEST).nonzero()[0]
        some = slice(deep[0], deep[-1] + 1)
        nodes, log_g, density = self.nodes[some], self.log_g[some], self.density[some]
        mass = np.concatenate([[0.0], np.cumsum(np.diff(nodes) * (density[1:] + density[:-1]))])
        t = np.interp(_LEVELS, mass / mass[-1], nodes)
        return np.array([t, np.interp(t, nodes, log_g)])

    def cdf(self, t: Floats) -> Floats:
        return np.interp(t, self.nodes, self._mass, 0.0, 1.0)

    @cached_property
    def _mass(self) -> Floats:
        steps = np.diff(self.nodes) * (self.density[1:] + self.density[:-1]) / 2
        inside = np.concatenate([[0.0], np.cumsum(steps)])
        below = 0.0 if self.lacks_above else max(1 - inside[-1], 0.0)
        return np.asarray(np.minimum((inside + below) / max(inside[-1], 1.0), 1.0))


class EvenRows:
    """`Row.even` times a share, of the rows at the places low to high, each made when it is first asked for."""

    def __init__(self, row: Callable[[int], Row], low: int, high: int, step: float, reach: int, share: float) -> None:
        self.medians = np.zeros(high - low + 1)  # of those made
        self._row, self._low, self._step, self._reach, self._share = row, low, step, reach, np.float32(share)
        self._densities = np.empty((high - low + 1, 2 * reach + 1), np.float32)
        self._made = bytearray(high - low + 1)

    def at(self, place: int, count: int, begin: int, end: int) -> Singles:
        """(count, end - begin) of so many places from this one on, at these points."""
        first = place - self._low
        last = first + count
        if 0 in self._made[first:last]:
            self._make(first, last)
        return self._densities[first:last, begin:end]

    def slanted(self, place: int, count: int, begin: int, points: int, slope: int) -> Singles:
        """(count, points) of so many places from this one on, so many points from ``begin`` on, and of each place after
        it from ``slope`` points less on. The ends are not looked at."""
        self.at(place, count, 0, 0)
        width, size = self._densities.shape[1], self._densities.itemsize
        offset = size * ((place - self._low) * width + begin)
        return np.ndarray((count, points), np.float32, self._densities, offset, (size * (width - slope), size))

    def _make(self, first: int, last: int) -> None:
        for k in range(first, last):
            if not self._made[k]:
                row = self._row(self._low + k)
                self._densities[k] = row.even(self._step, self._reach) * self._share
                self.medians[k], self._made[k] = row.quartiles[1], 1


class LevelRows:
    """Rows at the places low to high along levels of their mass, each made when it is first asked for.

    At a given t a log density bends sharply with the shape of the law where its mass ends; t and the log density at a
    given level do not, edges and tails included. So the cubic through four places says what is between them.
    """

    def __init__(self, row: Callable[[int], Row], low: int, high: int) -> None:
        self._row, self._low, self._high = row, low, high
        self._curves = np.empty((high - low + 1, 2 * _LEVELS.size))
        self._made = bytearray(high - low + 1)

    def between(self, place: float) -> tuple[Floats, Floats]:
        """(512,) each: ascending t and log density at any place, whole or not."""
        first = min(max(math.floor(place) - 1, self._low), self._high - 3) - self._low
        for k in range(first, first + 4):
            if not self._made[k]:
                self._curves[k], self._made[k] = self._row(self._low + k).along_levels().ravel(), 1
        x = place - self._low - first
        a, b, c = x - 1, x - 2, x - 3
        shares = np.array([-a * b * c / 6, x * b * c / 2, -x * a * c / 2, x * a * b / 6])
        t, log_g = (shares @ self._curves[first : first + 4]).reshape(2, -1)
        return np.maximum.accumulate(t), log_g
