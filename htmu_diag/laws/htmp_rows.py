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
from htmu_diag.laws.htmp_lattice import Mask, Row
from htmu_diag.spectrum import Floats

__all__ = ["RowLaw", "log_survivals", "log_survivals_at", "log_tails", "row_law", "shares_below"]

_MOST = 300.0  # of a logarithm before its exponential
_STEPS = 4


@dataclass(frozen=True)
class RowLaw:
    """The row has the law's value x at t = sign log x + shift; sign: -1 for an inverse law, whose upper tail is the
    row's lower one."""

    row: Row
    shift: float
    sign: float

    def upper_quantile(self, log_p: float) -> float:
        """log x with log P(X > x) = log_p, below log(1/2), by Newton's method in the cubic between two nodes; NaN
        beyond the nodes."""
        tail = self.row.data[4 if self.sign > 0 else 3]
        i = int(tail.searchsorted(log_p) if self.sign < 0 else tail.size - tail[::-1].searchsorted(log_p)) - 1
        if not 0 <= i < tail.size - 1:
            return math.nan
        (a, b), (g, h) = tail[i : i + 2].tolist(), self.row.data[0, i : i + 2].tolist()
        left, right = self.row.lattice.ascending[i : i + 2]
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


def log_survivals_at(laws: Sequence[RowLaw], points: Sequence[float]) -> list[float]:
    """log P(X > x) of each law at one positive point of its own: as `Row.tail_at`, without slopes at all nodes."""
    cells, ends = [], []
    for law, x in zip(laws, points, strict=True):
        t = law.sign * math.log(x) + law.shift
        upper = t >= law.row._middle
        i, *place = law.row._place(t)
        cells.append((upper, *place))
        ends.append([*law.row.data[0, i : i + 2].tolist(), *law.row.data[3 + upper, i : i + 2].tolist()])
    if not ends:
        return []
    (uppers, widths, shares), numbers = zip(*cells, strict=True), np.array(ends).T
    slopes = np.exp(np.minimum(numbers[:2] - numbers[2:], _MOST)) * np.where(uppers, -1.0, 1.0)
    small = hermite(numbers[2:], slopes, 0, np.array(widths), np.array(shares)).tolist()
    return [
        _tail(min(tail, 0.0), known=upper == (law.sign > 0))
        for law, upper, tail in zip(laws, uppers, small, strict=True)
    ]


def _tail(small: float, *, known: bool) -> float:
    """A logarithm of a share, or that of the rest."""
    return small if known else math.log(-math.expm1(small)) if small < 0 else -math.inf


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
    lower, upper = log_tails([law.row for law in laws], counts, t, t < middle)
    return np.asarray(np.where((sign > 0) == above, upper, lower))


def log_tails(
    rows: Sequence[Row], counts: Sequence[int], t: Floats, lower: Mask | None = None
) -> tuple[Floats, Floats]:
    """(n,) each: log F and log(1 - F) at so many points of each row; the smaller one is interpolated, the other
    follows. lower: where that is log F; by default where it is smaller at the node on the left."""
    width, s, ends = _cells(rows, counts, t)
    lower = ends[0, 3] < ends[0, 4] if lower is None else lower
    small, slopes = np.where(lower, ends[:, 3], ends[:, 4]), ends[:, 0]
    slopes -= small
    np.exp(np.minimum(slopes, _MOST, out=slopes), out=slopes)
    np.negative(slopes, out=slopes, where=~lower)
    small = np.minimum(hermite(small, slopes, 0, width, s), 0.0)
    with np.errstate(divide="ignore"):
        rest = np.log(-np.expm1(small))
    return np.where(lower, small, rest), np.where(lower, rest, small)


def _cells(rows: Sequence[Row], counts: Sequence[int], t: Floats) -> tuple[Floats, Floats, Floats]:
    """The width of the interval of each point, how far along it the point lies, (n,) each, and the rows' numbers at
    both ends, (2, 5, n)."""
    width, s, ends, at = np.empty(t.size), np.empty(t.size), np.empty((2, 5, t.size)), np.empty(t.size, np.intp)
    spans = list(pairwise(accumulate(counts, initial=0)))
    for _, some in groupby(zip(rows, spans, strict=True), key=lambda each: id(each[0].lattice)):
        alike = list(some)
        of = slice(alike[0][1][0], alike[-1][1][1])
        at[of], width[of], s[of] = alike[0][0].lattice.places(t[of])
    for row, (a, b) in zip(rows, spans, strict=True):
        i = at[a:b]
        ends[0, :, a:b], ends[1, :, a:b] = row.data.take(i, axis=1), row.data.take(i + 1, axis=1)
    return width, s, ends
