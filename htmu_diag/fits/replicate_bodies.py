"""Tails of a replicate that begin below xmin: which of them may have a smaller KS distance than its own tail has.

Below xmin a replicate has the data's own values, each as often as random numbers fall into its cell (`Cells`), so a
candidate's size, slope and distance at one point of each replicate are slices of kept tables. What a replicate's own
tail has reached (``replicate_tails``) is the distance to beat: a point or two leave a few candidates in each replicate,
which ``replicate_search`` measures.

Bodies of as many replicates are looked at together, in arrays (bodies, columns, replicates); the columns are their
values from xmin downward, and those of shorter bodies go on without a candidate. Logarithms are over xmin, times
alpha - 1: the unit in which the tails of all samples are alike. Exponents are of double precision, distances of single:
a replicate's distance is only compared with others that are apart by a hundredth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from htmu_diag.fits.replicate_search import Flat, Points, search
from htmu_diag.fits.replicate_tails import OwnTails
from htmu_diag.fits.replicates import FAR, Cells, Indices, Singles, column_of_part
from htmu_diag.fits.scan import log_gaps
from htmu_diag.spectrum import Floats

__all__ = ["Body", "improve"]

_MANY = 4096  # values whose logarithms are added up in double precision
_BLOCK = 8  # columns


@dataclass(frozen=True)
class Body:
    """The values below xmin of replicates of one sample.

    gaps: (columns,) between the logarithms of neighbouring distinct values, from xmin downward, negative. places: of
    these in the tables of cells, after that of xmin; a slice, or where there are equal values an array.
    """

    gaps: Floats
    places: slice | Indices
    tails: OwnTails
    cells: Cells

    @classmethod
    def of(cls, values: Floats, start: int, rate: float, tails: OwnTails, cells: Cells) -> Body:
        """values: (n,) ascending; start: index of xmin, not 0; rate: alpha - 1."""
        gaps = log_gaps(values[: start + 1])[::-1] * -rate
        first = values.size - start
        if gaps.all():
            return cls(gaps, slice(first, first + start + 1), tails, cells)
        distinct = gaps.nonzero()[0]  # equal values share a cell: the last of their columns counts them all
        last = np.concatenate(([0], distinct[1:], [start]))
        return cls(gaps[distinct], first + last, tails, cells)

    @property
    def first(self) -> int:
        """Place of the first column; 0 where the places of the others do not follow from it."""
        return self.places.start + 1 if isinstance(self.places, slice) else 0

    def put(self, counts: Singles, new: npt.NDArray[np.bool_], part: Singles) -> None:
        """Slices of the tables into arrays (columns or one more, replicates)."""
        size, places = self.gaps.size, self.places
        counts[: size + 1], counts[size + 1 :] = self.cells.counts[places], 1
        new[size:], part[size:] = False, 0
        if isinstance(places, slice):
            inner = slice(places.start + 1, places.stop)
            new[:size], part[:size] = self.cells.new[inner], self.cells.part[inner]
        else:
            new[:size], part[:size] = counts[1 : size + 1] > counts[:size], 0
        for row in self.tails.short:  # the two largest values begin no tail
            new[:, row] &= np.cumsum(new[:, row]) + self.tails.sizes[row] > 2

    def put_points(self, logs: Singles, counts: Singles, each: Singles, middle: int) -> None:
        """All values of the replicates into rows of arrays that hold none: their own tails up to the column in the
        middle, the body, whose logarithms are ``each``, from there on."""
        tails, size = self.tails, self.gaps.size
        before = slice(middle - tails.logs.shape[1], middle)
        logs[:, before], counts[:, before] = tails.logs, tails.ranks
        after = slice(middle, middle + size)
        if isinstance(self.places, slice):
            inner = slice(self.places.start + 1, self.places.stop)
            np.add(self.cells.far[:, inner], each[:size], out=logs[:, after])
            counts[:, after] = self.cells.held[:, inner]
        else:
            held = self.cells.counts[self.places].T
            new = held[:, 1:] > held[:, :-1]
            np.add(FAR * ~new, each[:size], out=logs[:, after])
            np.multiply(held[:, 1:], new, out=counts[:, after])

    def rates(self, rows: Indices, columns: Indices) -> Floats:
        """Slopes of some candidates, to double precision."""
        counts = self.cells.counts[self.places].T.take(rows, axis=0)
        width, each = self.gaps.size + 1, np.arange(rows.size)
        steps = np.empty((rows.size, width))
        np.multiply(counts[:, :-1], self.gaps, out=steps[:, :-1])
        steps[:, -1] = 0
        spans = np.empty((rows.size, 2), np.intp)
        spans[:, 0] = width * each
        np.add(spans[:, 0], columns + 1, out=spans[:, 1])
        sums = np.add.reduceat(steps.ravel(), spans.ravel())[::2]
        return np.asarray(counts[each, columns + 1] / (self.tails.sums.take(rows) - sums))


def improve(bodies: Sequence[Body], best: Singles, rates: Floats) -> None:
    """``best``: (bodies, replicates) KS distances, and ``rates``: 1/(alpha - 1) times those of the fits, put right
    where a candidate is better."""
    columns = max(body.gaps.size for body in bodies)
    gaps = np.zeros((len(bodies), columns))
    for row, body in zip(gaps, bodies, strict=True):
        row[: body.gaps.size] = body.gaps
    logs = gaps.cumsum(axis=1).astype(np.float32)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # where there is no candidate
        found = _candidates(bodies, gaps, logs, best)
    won = search(found, _points(bodies, logs), best.ravel()).reshape(best.shape)
    for k, body in enumerate(bodies):
        rows = (won[k] >= 0).nonzero()[0]
        rates[k][rows] = body.rates(rows, won[k][rows])


def _candidates(bodies: Sequence[Body], gaps: Floats, logs: Singles, best: Singles) -> Flat:
    """Those that may be below ``best`` by the bounds of two points: that of ``column_of_part``, and xmin."""
    count, columns = logs.shape
    rows = best.shape[1]
    counts, part = np.empty((count, columns + 1, rows), np.float32), np.empty((count, columns, rows), np.float32)
    able = np.empty((count, columns, rows), bool)
    for k, body in enumerate(bodies):
        body.put(counts[k], able[k], part[k])
    sums = _sums(counts[:, :-1], gaps)
    tails = [body.tails for body in bodies]
    sums -= np.stack([one.sums for one in tails])[:, None].astype(sums.dtype)
    slopes = np.divide(counts[:, 1:], sums).astype(np.float32, copy=False)
    off = _to_part(bodies, logs)[:, :, None] * slopes
    np.exp(off, out=off)
    np.subtract(part, off, out=off)
    able &= off < best[:, None]
    places = np.ascontiguousarray(able.transpose(0, 2, 1)).ravel().nonzero()[0]
    row = ((places + 0.5) * (1 / columns)).astype(np.intp)  # a tenth of the time of a division of integers
    column = places - columns * row
    sample = np.repeat(np.arange(count), rows).take(row)
    where = row + rows * column
    where += ((columns - 1) * rows) * sample
    share = np.reciprocal(counts.take(where + rows * (sample + 1)))
    sample *= columns
    sample += column
    flat = Flat(row, column, np.stack((logs.take(sample), slopes.take(where), share, off.take(where))))
    last, sizes = (
        np.concatenate(each)[:, 0].take(row) for each in zip(*((one.last, one.singles) for one in tails), strict=True)
    )
    flat.raise_bounds(last, sizes)
    return flat.take((flat.of[3] < best.take(row)).nonzero()[0])


def _sums(counts: Singles, gaps: Floats) -> npt.NDArray[Any]:
    """Of logarithms over the candidates at the columns, less those of the replicates' own tails: cumulative, within
    blocks of columns and then from block to block."""
    bodies, columns, rows = counts.shape
    blocks = -(-columns // _BLOCK)
    gaps = gaps.astype(np.float32) if columns < _MANY else gaps
    sums = np.empty((bodies, blocks * _BLOCK, rows), gaps.dtype)
    np.multiply(counts, gaps[:, :, None], out=sums[:, :columns])
    sums[:, columns:] = 0
    blocked = sums.reshape(bodies, blocks, _BLOCK, rows)
    for column in range(1, _BLOCK):
        blocked[:, :, column] += blocked[:, :, column - 1]
    np.cumsum(blocked[:, :, -1], axis=1, out=blocked[:, :, -1])
    blocked[:, 1:, :-1] += blocked[:, :-1, -1:]
    return sums[:, :columns]


def _to_part(bodies: Sequence[Body], logs: Singles) -> Singles:
    """(bodies, columns): logarithms at the columns of the parts over those at the columns. Of a part beyond xmin the
    count goes with the first value below it, where more are as large: a bound, but a lower one."""
    count, columns = logs.shape
    first = np.array([body.first for body in bodies])[:, None]
    at = column_of_part(first + np.arange(columns)) - first
    np.maximum(at, 0, out=at)
    at += columns * np.arange(count)[:, None]
    return np.asarray(logs.take(at) - logs)


def _points(bodies: Sequence[Body], logs: Singles) -> Points:
    rows, middle = bodies[0].tails.sizes.size, max(body.tails.logs.shape[1] for body in bodies)
    width = middle + logs.shape[1]
    shape = len(bodies) * rows, width
    points = Points(np.full(shape, FAR), np.zeros(shape, np.float32), middle)
    for k, body in enumerate(bodies):
        span = slice(k * rows, (k + 1) * rows)
        body.put_points(points.logs[span], points.counts[span], logs[k], middle)
    return points
