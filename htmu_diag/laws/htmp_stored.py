"""Rows of the HTMP law from a file, where solving its equation for a new aspect ratio would take 50 ms and more.

For each kappa of the lattice's grid the law is a piecewise polynomial in a variable that follows the Marchenko-Pastur
edges (``htmp_marks``). Its coefficients are then smooth in the aspect ratio: up to 40 Chebyshev polynomials in
log(s/(1 - s)), s = sqrt(gamma), give those of any gamma between two ends, 32 those of gamma from there to nearly one,
and gamma = 1 has panels of its own. Other ratios are not here. ``benchmarks/htmp_stored_table.py`` makes the file
from the law's own tables.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from htmu_diag.laws.chebyshev import Indices, chebyshev_polynomials, collocation
from htmu_diag.laws.htmp_marks import Marks
from htmu_diag.spectrum import Floats

__all__ = ["LARGE", "MIDDLE", "place_of", "shares", "stored_rows"]

Bytes = npt.NDArray[np.uint8]

MIDDLE = 1.5  # the mark up to where the ratio is F/g, from where on (1 - F)/g
LARGE = 2**16 - 1  # stands for a number of the second list
_FILE = Path(__file__).parent / "tables" / "htmp_rows.npz"


def stored_rows(gamma: float, kappas: Floats, first: int, t: Floats) -> Floats | None:
    """log g (g the density of t), two derivatives, log F, log(1 - F) at ascending t of k neighbours on the grid, the
    first of them with this number there: (k, 5, n). None without such a gamma.
    """
    if gamma == 1:
        return _stored("square").rows(gamma, kappas, first, t)
    for kind in ("other", "near"):
        stored = _stored(kind)
        if stored.ends[0] <= place_of(gamma) <= stored.ends[1]:
            return stored.rows(gamma, kappas, first, t)
    return None


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
    _decoded: dict[tuple[int, int], tuple[Floats, Bytes]] = field(default_factory=dict, compare=False, repr=False)

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
        high = np.flatnonzero(self.small[1] == LARGE >> 8)
        which = high[self.small[0, high] == LARGE & 255]
        return [int(k) for k in np.searchsorted(which, self._starts)]

    @cached_property
    def _terms(self) -> int:
        return int(self.counts.max())

    def _numbers(self, first: int, last: int) -> tuple[Floats, Bytes]:
        """All terms of the kappas from one to before another, and their orders."""
        if (first, last) not in self._decoded:
            low, high = self.small[:, self._starts[first] : self._starts[last]]
            unsigned = high.astype(np.uint16)
            unsigned <<= 8
            unsigned |= low
            numbers = _signed(unsigned.astype(np.int32)).astype(np.float64)
            large = self.large[:, self._large_starts[first] : self._large_starts[last]]
            numbers[unsigned == LARGE] = _signed(_joined(large))
            counts = self.counts[self.first[first] : self.first[last]].ravel()
            orders = np.arange(numbers.size, dtype=np.int32)
            orders -= (counts.cumsum() - counts).astype(np.int32).repeat(counts)
            self._decoded[first, last] = numbers, orders.astype(np.uint8)
        return self._decoded[first, last]

    def rows(self, gamma: float, kappas: Floats, first: int, t: Floats) -> Floats:
        places, last = [Marks.of(gamma, kappa) for kappa in kappas.tolist()], first + kappas.size
        ends, middles = np.array([[each.end, (each.low + each.high) / 2] for each in places]).T[:, :, None]
        panels = [
            slice(self.first[k] - self.first[first], self.first[k + 1] - self.first[first]) for k in range(first, last)
        ]
        marks = [self.marks[self.first[k] + k : self.first[k + 1] + k + 1] for k in range(first, last)]
        coefficients = self._coefficients(gamma, first, last)
        inner = np.minimum(t, ends)
        found = _evaluated(coefficients, marks, Marks.at(places, np.concatenate([inner, ends], axis=1)))
        far = int(t.searchsorted(ends.min()))
        beyond = _beyond(gamma, kappas[:, None], ends, found[0, :, -1:], t[far:])
        log_g, slope, bend, ratio = np.concatenate(
            [found[:, :, :far], np.where(t[far:] < ends, found[:, :, far:-1], beyond)], axis=2
        )
        mass = [
            _log_mass(coefficients[own], int(each.searchsorted(MIDDLE)))
            for own, each in zip(panels, marks, strict=True)
        ]
        small = np.minimum(log_g + np.log(ratio) - np.array(mass)[:, None], 0.0)
        rest, below = np.log(-np.expm1(small)), t < middles
        return np.stack([log_g, slope, bend, np.where(below, small, rest), np.where(below, rest, small)], axis=1)

    def _coefficients(self, gamma: float, first: int, last: int) -> Floats:
        """(panels, 2, degree + 1) of the kappas from one to before another."""
        own = slice(self.first[first], self.first[last])
        counts, (numbers, orders) = self.counts[own], self._numbers(first, last)
        some = counts > 0
        found = np.zeros(counts.shape)
        terms = numbers * self._polynomials(gamma).take(orders.astype(np.intp))
        found[some] = np.add.reduceat(terms, (counts.cumsum() - counts.ravel())[some.ravel()])
        return np.asarray(found * self.units[own, :, None] * shares(counts.shape[2] - 1))

    def _polynomials(self, gamma: float) -> Floats:
        """(terms,) Chebyshev polynomials at gamma."""
        low, high = self.ends
        z = 2 * (place_of(gamma) - low) / (high - low) - 1 if high > low else 1.0
        return np.asarray(np.cos(np.arange(self._terms) * math.acos(min(max(z, -1.0), 1.0))))


def _evaluated(coefficients: Floats, marks: Sequence[Floats], at: Floats) -> Floats:
    """(4, k, n) at marks and their derivatives in t, (3, k, n), ascending: log g, its two derivatives in t, and the
    ratio; of k laws, each with panels between marks of its own, those of a law behind one another."""
    widths, derivative = (
        np.concatenate([np.diff(each) for each in marks]),
        collocation(coefficients.shape[2] - 1).derivative,
    )
    first = coefficients[:, 0] @ derivative.T * (2 / widths)[:, None]
    second = first @ derivative.T * (2 / widths)[:, None]
    every = np.stack([coefficients[:, 0], first, second, coefficients[:, 1]], axis=1)
    m, slope, bend = at
    ends = [
        0,
        *np.concatenate([_ends(*each) for each in zip(marks, m, range(0, m.size, m.shape[1]), strict=True)]).tolist(),
    ]
    starts, counts = np.concatenate([each[:-1] for each in marks]), np.diff(ends)
    z = (m.ravel() - starts.repeat(counts)) * (2 / widths).repeat(counts) - 1
    found, polynomials = np.empty((4, m.size)), chebyshev_polynomials(z, coefficients.shape[2] - 1)
    for own, (start, end) in zip(every, pairwise(ends), strict=True):
        np.matmul(own, polynomials[:, start:end], out=found[:, start:end])
    log_g, once, twice, ratio = found.reshape(4, *m.shape)
    return np.stack([log_g, once * slope, twice * slope**2 + once * bend, ratio])


def _ends(marks: Floats, points: Floats, before: int) -> Indices:
    """Of each panel, how many of the points lie in it or before it, and so many of other laws."""
    return before + np.append(points.searchsorted(marks[1:-1]), points.size)


def _beyond(gamma: float, kappa: Floats, end: Floats, log_g: Floats, t: Floats) -> Floats:
    """(4, k, n) of k laws, (k, 1), where w = 1 + mean/y, from their ends on: d(log g)/dt = 1 + a - y + 2 c w."""
    mean = 0.5 * kappa / gamma
    power, rest, y, start = mean * (1 + gamma), kappa * mean, mean * np.exp(t), mean * np.exp(end)
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


def _signed(numbers: npt.NDArray[np.signedinteger]) -> npt.NDArray[np.signedinteger]:
    """0, -1, 1, -2, 2, ... of 0, 1, 2, 3, 4, ..."""
    negative = numbers & 1
    np.negative(negative, out=negative)
    numbers >>= 1
    numbers ^= negative
    return numbers


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
