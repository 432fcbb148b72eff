"""Upper tails of HTMP laws from their rows of ``htmp_lattice``, of many laws at once, and of single points.

The formulas are those of `Row`; here each point brings the two nodes beside it, so that no law fills tables of its own
for a few points. What a law gets does not depend on the others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise

import numpy as np

from htmu_diag.laws.base import Law
from htmu_diag.laws.hermite import hermite
from htmu_diag.laws.htmp import HTMP, InverseHTMP
from htmu_diag.laws.htmp_lattice import Row
from htmu_diag.spectrum import Floats

__all__ = ["RowLaw", "log_survivals", "row_law", "shares_below"]

_MOST = 300.0  # of a logarithm before its exponential
_STEPS = 4


@dataclass(frozen=True)
class RowLaw:
    """The row has the law's value x at t = sign log x + shift; sign: -1 for an inverse law, whose upper tail is the
    row's lower one."""

    row: Row
    shift: float
    sign: float

    def log_survival(self, x: float) -> float:
        """log P(X > x) at one positive point."""
        return self.row.log_tail_at(self.sign * math.log(x) + self.shift, above=self.sign > 0)

    def upper_quantile(self, log_p: float) -> float:
        """log x with log P(X > x) = log_p, below log(1/2), by Newton's method in the cubic between two nodes; NaN
        beyond the nodes."""
        tail = self.row.data[4 if self.sign > 0 else 3]
        i = int(tail.searchsorted(log_p) if self.sign < 0 else tail.size - tail[::-1].searchsorted(log_p)) - 1
        if not 0 <= i < tail.size - 1:
            return math.nan
        (a, b), (g, h), (left, right) = (
            each[i : i + 2].tolist() for each in (tail, self.row.data[0], self.row.lattice.nodes)
        )
        if math.isinf(a + b):
            return math.nan
        rise, slope = b - a, (left - right) * self.sign
        start, end = slope * math.exp(min(g - a, _MOST)), slope * math.exp(min(h - b, _MOST))
        square, cube = 3 * rise - 2 * start - end, start + end - 2 * rise
        s = (log_p - a) / rise
        for _ in range(_STEPS):
            s -= (a - log_p + s * (start + s * (square + s * cube))) / (start + s * (2 * square + s * 3 * cube))
        return float(self.sign * (left + (right - left) * s - self.shift))


def row_law(law: Law | None) -> RowLaw | None:
    """What is behind an HTMP law or its inverse; None for a law that has a table of its own, or is another."""
    if not isinstance(law, HTMP | InverseHTMP) or not isinstance(law._table, Row):
        return None
    return RowLaw(law._table, law._shift, 1.0 if isinstance(law, HTMP) else -1.0)


def log_survivals(laws: Sequence[RowLaw], counts: Sequence[int], log_x: Floats) -> Floats:
    """(n,) log P(X > x) at so many points of each law, those of a law behind one another."""
    return _log_tails(laws, counts, log_x, above=True)


def shares_below(laws: Sequence[RowLaw], counts: Sequence[int], x: Floats) -> Floats:
    """(n,) P(X <= x) at such points, from zero on."""
    shares = np.zeros(x.size)
    beyond = x > 0
    many = [int(np.count_nonzero(beyond[a:b])) for a, b in pairwise(accumulate(counts, initial=0))]
    shares[beyond] = np.exp(_log_tails(laws, many, np.log(x[beyond]), above=False))
    return shares


def _log_tails(laws: Sequence[RowLaw], counts: Sequence[int], log_x: Floats, *, above: bool) -> Floats:
    shift, sign, middle = (
        np.repeat(each, counts) for each in zip(*((law.shift, law.sign, law.row._middle) for law in laws), strict=True)
    )
    t = sign * log_x + shift
    width, s, ends = _cells(laws, counts, t)
    lower = t < middle
    tails = np.where(lower, ends[3], ends[4])
    slopes = np.where(lower, 1.0, -1.0) * np.exp(np.minimum(ends[0] - tails, _MOST))
    small = np.minimum(hermite(tails, slopes, 0, width, s), 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.where((lower == (sign < 0)) == above, small, np.log(-np.expm1(small))))


def _cells(laws: Sequence[RowLaw], counts: Sequence[int], t: Floats) -> tuple[Floats, Floats, Floats]:
    """The width of the interval of each point, how far along it the point lies, (n,) each, and the rows' numbers at
    both ends, (5, 2, n). Neighbours of one lattice look up their intervals together."""
    width, s, ends = np.empty(t.size), np.empty(t.size), np.empty((5, 2, t.size))
    each = zip(laws, pairwise(accumulate(counts, initial=0)), strict=True)
    for _, alike in groupby(each, lambda one: id(one[0].row.lattice)):
        group = list(alike)
        (law, (first, _)), (_, (_, last)) = group[0], group[-1]
        i, width[first:last], s[first:last] = law.row.lattice.places(t[first:last])
        i = np.array([i, i + 1])
        for law, (a, b) in group:
            ends[:, :, a:b] = law.row.data[:, i[:, a - first : b - first]]
    return width, s, ends
