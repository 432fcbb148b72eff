"""Rows of the HTMP law from a file, where solving its equation for a new aspect ratio would take 50 ms and more.

For each kappa of the lattice's grid the law is a piecewise polynomial in a variable that follows the Marchenko-Pastur
edges: linear between them, logarithmic in the distance on either side (`Marks`). Its coefficients are then smooth in
the aspect ratio: up to 40 Chebyshev polynomials in log(s/(1 - s)), s = sqrt(gamma), give those of any gamma between two
ends, and gamma = 1 has panels of its own. Other ratios are not here. ``benchmarks/htmp_stored_table.py`` makes the file
from the law's own tables.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from htmu_diag.laws.chebyshev import collocation, series
from htmu_diag.spectrum import Floats

__all__ = ["LARGE", "MIDDLE", "Marks", "place_of", "shares", "stored_row"]

Bytes = npt.NDArray[np.uint8]

MIDDLE = 1.5  # the mark up to where the ratio is F/g, from where on (1 - F)/g
LARGE = 2**16 - 1  # stands for a number of the second list
_FILE = Path(__file__).parent / "tables" / "htmp_rows.npz"
_LOWEST = -780.0  # in t, below the lattice
_FAR = 1e4  # times 1 + mean: the end above
_HARD, _WIDTH = -3.0, 1.0  # in place of the lower edge that a square matrix does not have


@dataclass(frozen=True)
class Marks:
    """The variable m of t = log(x/mean): 0 to 1 below the bulk, 1 to 2 in it, 2 to 3 above.

    low, high: the edges in t. below, above: how wide they are at this kappa. end: the largest t, mark 3.
    """

    low: float
    high: float
    below: float
    above: float
    end: float

    @classmethod
    def of(cls, gamma: float, kappa: float) -> Marks:
        s, fine = math.sqrt(gamma), (1 + kappa / 2) ** (-2 / 3)
        high, above = 2 * math.log1p(s), fine * s * (1 + s) ** (-2 / 3)
        end = math.log(_FAR * (1 + 2 * gamma / kappa))
        if gamma == 1:
            return cls(_HARD, high, _WIDTH, above, end)
        return cls(2 * math.log1p(-s), high, fine * s * (1 - s) ** (-2 / 3), above, end)

    @property
    def _lengths(self) -> tuple[float, float]:
        return math.log1p((self.low - _LOWEST) / self.below), math.log1p((self.end - self.high) / self.above)

    def t(self, marks: Floats) -> Floats:
        """Of marks (n,)."""
        left, right = self._lengths
        before = self.low - self.below * np.expm1((1 - marks) * left)
        after = self.high + self.above * np.expm1((marks - 2) * right)
        inside = self.low + (self.high - self.low) * (marks - 1)
        return np.asarray(np.where(marks < 1, before, np.where(marks > 2, after, inside)))

    def at(self, t: Floats) -> Floats:
        """(3, n): marks of t, ascending, and their first two derivatives."""
        found = np.zeros((3, t.size))
        i, j = np.searchsorted(t, (self.low, self.high)).tolist()
        left, right = self._lengths
        before, after, width = self.below + self.low - t[:i], self.above + t[j:] - self.high, self.high - self.low
        found[0, :i], found[0, j:] = 1 - np.log(before / self.below) / left, 2 + np.log(after / self.above) / right
        found[1, :i], found[1, j:] = 1 / (before * left), 1 / (after * right)
        found[2, :i], found[2, j:] = found[1, :i] / before, -found[1, j:] / after
        found[0, i:j], found[1, i:j] = 1 + (t[i:j] - self.low) / width, 1 / width
        return found


def stored_row(gamma: float, kappa: float, which: int, t: Floats) -> Floats | None:
    """log g (g the density of t), two derivatives, log F, log(1 - F) at ascending t: (5, n). None without such a gamma.

    which: the number of kappa on the grid.
    """
    if gamma == 1:
        return _stored("square").row(gamma, kappa, which, t)
    stored = _stored("other")
    return stored.row(gamma, kappa, which, t) if stored.ends[0] <= place_of(gamma) <= stored.ends[1] else None


def shares(degree: int) -> Floats:
    """(degree + 1,) of a unit: finer for the higher coefficients, whose errors derivatives multiply."""
    return 1 / (1 + np.arange(degree + 1))


def place_of(gamma: float) -> float:
    """The variable of the polynomials in gamma, of a ratio below one."""
    return 0.5 * math.log(gamma) - math.log1p(-math.sqrt(gamma))


@dataclass(frozen=True)
class _Stored:
    """ends: of ``place_of``. marks: all kappas' panels' edges. first: of each kappa, its first panel (one more at the
    end). counts: (panels, 2, degree + 1) terms in gamma of each coefficient, of log g and of F/g or (1 - F)/g. units:
    (panels, 2), of which a coefficient has its share. small: (2, n) bytes of all terms, whole numbers of these units;
    large: (7, m) of those whose two bytes are `LARGE`.
    """

    ends: tuple[float, float]
    marks: Floats
    first: list[int]
    counts: npt.NDArray[np.intp]
    units: Floats
    small: Bytes
    large: Bytes
    _decoded: dict[int, Floats] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def read(cls, data: dict[str, npt.NDArray[np.generic]]) -> _Stored:
        low, high = data["ends"].tolist()
        marks, units = data["marks"].astype(np.float64), data["units"].astype(np.float64)
        counts, small, large = data["counts"].astype(np.intp), data["small"], data["large"]
        return cls((low, high), marks, data["first"].tolist(), counts, units, _bytes(small), _bytes(large))

    @cached_property
    def _starts(self) -> list[int]:
        """(kappas + 1,) of each kappa's terms."""
        before = np.concatenate([[0], np.cumsum(self.counts.sum(axis=(1, 2)))])
        return [int(k) for k in before[self.first]]

    @cached_property
    def _large_starts(self) -> list[int]:
        """(kappas + 1,) of each kappa's terms in the second list."""
        which = np.flatnonzero((self.small[0] == LARGE >> 8) & (self.small[1] == LARGE & 255))
        return [int(k) for k in np.searchsorted(which, self._starts)]

    @cached_property
    def _terms(self) -> int:
        return int(self.counts.max())

    def _numbers(self, which: int) -> Floats:
        """All terms of one kappa."""
        if which not in self._decoded:
            numbers = _joined(self.small[:, slice(*self._starts[which : which + 2])])
            numbers[numbers == LARGE] = _joined(self.large[:, slice(*self._large_starts[which : which + 2])])
            signed = (numbers >> 1) ^ -(numbers & 1)  # 0, -1, 1, -2, 2, ...
            self._decoded[which] = signed.astype(np.float64)
        return self._decoded[which]

    def row(self, gamma: float, kappa: float, which: int, t: Floats) -> Floats:
        places, coefficients = Marks.of(gamma, kappa), self._coefficients(gamma, which)
        marks = self.marks[self.first[which] + which : self.first[which + 1] + which + 1]
        inner = int(np.searchsorted(t, places.end))
        found = _evaluated(coefficients, marks, places.at(np.append(t[:inner], places.end)))
        beyond = _beyond(gamma, kappa, places.end, float(found[0, -1]), t[inner:])
        log_g, slope, bend, ratio = np.concatenate([found[:, :-1], beyond], axis=1)
        mass = _log_mass(coefficients, int(np.searchsorted(marks, MIDDLE)))
        small = np.minimum(log_g + np.log(ratio) - mass, 0.0)
        rest, below = np.log(-np.expm1(small)), t < (places.low + places.high) / 2
        return np.stack([log_g, slope, bend, np.where(below, small, rest), np.where(below, rest, small)])

    def _coefficients(self, gamma: float, which: int) -> Floats:
        """(panels, 2, degree + 1) of one kappa."""
        first, last = self.first[which : which + 2]
        counts, numbers = self.counts[first:last], self._numbers(which)
        flat = counts.ravel()
        starts, some = np.cumsum(flat) - flat, flat > 0
        terms = numbers * self._polynomials(gamma)[np.arange(numbers.size) - np.repeat(starts, flat)]
        found = np.zeros(flat.size)
        found[some] = np.add.reduceat(terms, starts[some])
        return np.asarray(found.reshape(counts.shape) * self.units[first:last, :, None] * shares(counts.shape[2] - 1))

    def _polynomials(self, gamma: float) -> Floats:
        """(terms,) Chebyshev polynomials at gamma."""
        low, high = self.ends
        z = 2 * (place_of(gamma) - low) / (high - low) - 1 if high > low else 1.0
        return np.asarray(np.cos(np.arange(self._terms) * math.acos(min(max(z, -1.0), 1.0))))


def _evaluated(coefficients: Floats, marks: Floats, at: Floats) -> Floats:
    """(4, n) at marks and their derivatives in t, (3, n): log g, its two derivatives in t, and the ratio."""
    (m, slope, bend), width, derivative = at, np.diff(marks), collocation(coefficients.shape[2] - 1).derivative
    first = coefficients[:, 0] @ derivative.T * (2 / width)[:, None]
    second = first @ derivative.T * (2 / width)[:, None]
    panel = np.minimum(np.searchsorted(marks, m, side="right") - 1, width.size - 1)
    every = np.stack([coefficients[:, 0], first, second, coefficients[:, 1]], axis=1)
    log_g, once, twice, ratio = series(every, panel, 2 * (m - marks[panel]) / width[panel] - 1)
    return np.stack([log_g, once * slope, twice * slope**2 + once * bend, ratio])


def _beyond(gamma: float, kappa: float, end: float, log_g: float, t: Floats) -> Floats:
    """The same where w = 1 + mean/y, from its end on: d(log g)/dt = 1 + a - y + 2 c w."""
    mean = 0.5 * kappa / gamma
    power, rest, y, start = mean * (1 + gamma), kappa * mean, mean * np.exp(t), mean * math.exp(end)
    slope, bend = power - y + rest / y, -y - rest / y
    risen = power * (t - end) - (y - start) - rest * (1 / y - 1 / start)
    return np.stack([log_g + risen, slope, bend, -(1 + bend / slope**2) / slope])


def _log_mass(coefficients: Floats, middle: int) -> float:
    """log of F + (1 - F) at the middle: 0 but for errors."""
    left, right = coefficients[middle - 1].sum(axis=1), coefficients[middle, :, ::2].sum(axis=1)
    right -= coefficients[middle, :, 1::2].sum(axis=1)
    return math.log(math.exp(left[0]) * left[1] + math.exp(right[0]) * right[1])


def _bytes(array: npt.NDArray[np.generic]) -> Bytes:
    return np.asarray(array, dtype=np.uint8)


def _joined(parts: Bytes) -> npt.NDArray[np.int64]:
    """(n,) from the bytes of each number, the lowest of all first: (bytes, n)."""
    whole = np.zeros(parts.shape[1], np.int64)
    for k, part in enumerate(parts):
        whole |= part.astype(np.int64) << (8 * k)
    return whole


@lru_cache
def _stored(kind: str) -> _Stored:
    with np.load(_FILE, allow_pickle=False) as data:
        return _Stored.read({name.split(".")[1]: data[name] for name in data.files if name.startswith(kind)})
