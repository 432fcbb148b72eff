"""Neighbouring rows of ``htmp_lattice`` side by side, for the likelihoods of all of them at once.

Cubic Hermite interpolation is four weights a value, on the numbers at the two nodes beside it and on their slopes. So
the log likelihood of a sample and its slopes, under sixteen rows, are a product of its weights with a table, and
those of many samples one sparse matrix times the table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from htmu_diag.laws.htmp_lattice import Indices, Lattice, grid_row, lattice
from htmu_diag.spectrum import Floats

__all__ = ["DENSITY", "LOWER", "STARTS", "UPPER", "WIDTH", "WINDOWS", "Windows", "window_about", "windows"]

WIDTH, _STRIDE = 16, 8  # rows of a window, and from one to the next
FIRST, LAST = -28, 37  # places of the rows on the grid in log kappa: from 1e-3 to 1e4
STARTS = np.minimum(np.arange(FIRST, LAST - WIDTH + 1 + _STRIDE, _STRIDE), LAST - WIDTH + 1)
WINDOWS = STARTS.size
DENSITY, LOWER, UPPER = 0, 1, 2  # what a table is of: log density, log mass below, log mass above
_MOST = 300.0  # of a logarithm before its exponential


def window_about(places: Indices) -> Indices:
    """The window in whose middle each row of the grid lies, or nearly: three rows about it are in it too."""
    inside = np.maximum(places - FIRST - (WIDTH - _STRIDE) // 2, 0)
    return np.asarray(np.minimum(inside // _STRIDE, WINDOWS - 1))


@dataclass
class Windows:
    """All windows of one aspect ratio, made when they are asked for; 0.5 MB for each table.

    tables: (WINDOWS 3 2 m, 3 WIDTH), for each window and each of density and tails the m nodes for values, then for
    slopes: a quantity under each row and its first two derivatives in t, and the derivatives of these three.
    """

    gamma: float
    lattice: Lattice
    tables: Floats
    _made: set[tuple[int, int]] = field(default_factory=set)

    @property
    def size(self) -> int:
        """Rows of one table."""
        return 2 * self.lattice.nodes.size

    def make(self, number: int, what: int) -> None:
        """The table of one window, unless it is there."""
        if (number, what) not in self._made:
            first, m = int(STARTS[number]), self.lattice.nodes.size
            rows = np.stack([grid_row(self.gamma, first + k).data for k in range(WIDTH)], axis=2)
            part = self.tables[(3 * number + what) * 2 * m :][: 2 * m].reshape(2, m, 3, WIDTH)
            with np.errstate(over="ignore", invalid="ignore"):
                part[0] = np.stack(_orders(rows, what), axis=1)
                part[1, :, :2] = part[0, :, 1:]
                part[1, :, 2] = np.gradient(part[0, :, 2], self.lattice.nodes, axis=0)
            self._made.add((number, what))


def _orders(rows: Floats, what: int) -> tuple[Floats, Floats, Floats]:
    """A logarithm and its first two derivatives in t, from rows as `Row.data`."""
    if what == DENSITY:
        return rows[0], rows[1], rows[2]
    tail = rows[3 if what == LOWER else 4]
    rate = np.exp(np.minimum(rows[0] - tail, _MOST)) * (1.0 if what == LOWER else -1.0)
    return tail, rate, rate * (rows[1] - rate)


@lru_cache(maxsize=8)
def windows(gamma: float) -> Windows:
    """Of this aspect ratio; 3 to 8 MB."""
    where = lattice(gamma)
    return Windows(gamma, where, np.empty((WINDOWS * 3 * 2 * where.nodes.size, 3 * WIDTH)))
