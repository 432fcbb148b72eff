"""Tails of a replicate that begin below xmin: which of them may have a smaller KS distance than its own tail has.

Below xmin a replicate has the data's own values, each as often as random numbers fall into its cell (`Cells`). What a
replicate's own tail has reached (``replicate_tails``) is the distance to beat: a point or two leave a few candidates in
each replicate, which ``replicate_search`` measures.

Replicates of many samples are looked at together, in arrays (ranks, replicates): the largest value of each in the first
row, and so on, whatever the sample; a rank that a sample does not have begins no tail. Logarithms are over xmin, times
alpha - 1: the unit in which the tails of all samples are alike. They are of single precision, as are distances and
exponents: a replicate's distance is only compared with others that are apart by a hundredth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from htmu_diag.fits.replicate_search import Flat, Points, Room, search, split
from htmu_diag.fits.replicate_tails import BLOCK, OwnTails
from htmu_diag.fits.replicates import FAR, Cells, Indices, Singles
from htmu_diag.spectrum import Floats

__all__ = ["Body", "improve"]

_PART = 0.68  # of a candidate's ranks: where a light law is furthest above the power law fitted to it


@dataclass(frozen=True)
class Body:
    """The values below xmin of replicates of one sample.

    logs: (n + 1,) of the values in cells 0 to n, the largest first; those of the tail lower than all. last: (n + 1,)
    the last of the cells with an equal value, None where all values are apart.
    """

    logs: Singles
    last: Indices | None
    tails: OwnTails
    cells: Cells

    @classmethod
    def of(cls, values: Floats, start: int, rate: float, tails: OwnTails, cells: Cells) -> Body:
        """values: (n,) ascending; start: index of xmin, not 0; rate: alpha - 1."""
        n = values.size
        logs = np.empty(n + 1, np.float32)
        body = np.log(values[: start + 1])
        body -= body[start]
        body *= rate
        logs[n : n - start - 1 : -1] = body
        logs[: n - start + 1] = -FAR
        apart = values[1 : start + 1] > values[:start]
        return cls(logs, None if apart.all() else _last_of_equals(apart, n), tails, cells)

    @property
    def size(self) -> int:
        """Of the sample."""
        return self.logs.size - 1

    def put(self, logs: Singles, ranks: Singles) -> None:
        """Logarithms of the values of the replicates and how many are as large, into arrays (ranks, replicates)."""
        own, tails = self.tails.logs, self.tails
        shortest, longest, n = int(tails.sizes.min()), own.shape[0], self.size
        below = self.logs.take(self.cells.cell[shortest:])
        both = longest - shortest
        logs[:shortest] = own[:shortest]
        np.maximum(own[shortest:], below[:both], out=logs[shortest:longest])
        logs[longest:n], logs[n:] = below[both:], -FAR
        if self.last is None:
            ranks[:longest], ranks[longest:n] = tails.ranks, self.cells.ranks[longest:]
        else:
            ranks[:longest], ranks[shortest:n] = tails.ranks, self.cells.ranks_among(self.last, shortest)
            of_tail = np.arange(shortest, longest)[:, None] < tails.sizes
            np.copyto(ranks[shortest:longest], tails.ranks[shortest:], where=of_tail)
        ranks[n:] = FAR


def _last_of_equals(apart: npt.NDArray[np.bool_], n: int) -> Indices:
    """(n + 1,): the last of the cells with the value of each. apart: whether each value is below the next one."""
    last = np.arange(n + 1)
    ends = np.concatenate(([True], apart[:-1]))[::-1]  # of the cells below xmin, from the largest value down
    places = ends.nonzero()[0]
    last[n + 1 - ends.size :] = n + 1 - ends.size + places[places.searchsorted(np.arange(ends.size))]
    return last


def improve(bodies: Sequence[Body], best: Singles, rates: Floats) -> None:
    """``best``: (bodies, replicates) KS distances, and ``rates``: 1/(alpha - 1) times those of the fits, put right
    where a candidate is better."""
    rows, size = best.shape[1], max(body.size for body in bodies)
    room = Room.of_thread(size, best.size)
    points = Points(room.array(0, size, best.size), room.array(1, size, best.size), room)
    for k, body in enumerate(bodies):
        some = slice(k * rows, (k + 1) * rows)
        body.put(points.logs[:, some], points.ranks[:, some])
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # where there is no candidate
        found = _candidates([body.tails for body in bodies], points, best.ravel())
    search(found, points, best.ravel(), rates.ravel())


def _candidates(tails: Sequence[OwnTails], points: Points, best: Singles) -> Flat:
    """Those that may be below ``best`` by the bounds of two points: one at a share of their ranks, and xmin."""
    size, width = points.logs.shape
    first = min(one.first for one in tails)
    rank = np.arange(first + 1, size + 1, dtype=np.float32)[:, None]
    sizes, last = (np.concatenate(each) for each in zip(*((one.sizes, one.last) for one in tails), strict=True))
    slopes = _sums(tails, points, first)
    np.divide(-rank, slopes, out=slopes)
    bounds = _bounds(points, slopes, rank, first)
    places = _able(bounds < best, points.ranks[first:], rank, sizes).ravel().nonzero()[0]
    at, row = split(places, width)
    own, share = points.logs[first:].ravel().take(places), np.reciprocal(rank.ravel()).take(at)
    at += first
    found = Flat(row, at, np.stack((own, slopes.ravel().take(places), share, bounds.ravel().take(places))))
    found.raise_bounds(last.take(row), sizes.take(row).astype(np.float32))
    left = (found.of[3] < best.take(row)).nonzero()[0]
    row = row.take(left).astype(np.uint16 if width < 2**16 else np.intp)  # these are sorted faster
    return found.take(left.take(row.argsort(kind="stable")))


def _bounds(points: Points, slopes: Singles, rank: Singles, first: int) -> Singles:
    """How far the fits are below the replicates at a share of the ranks."""
    at = np.maximum((_PART * rank.ravel()).astype(np.intp) - 1, 0)
    off, seen = (points.room.array(k, *slopes.shape) for k in (3, 4))
    points.logs.take(at, axis=0, out=off, mode="clip")
    off -= points.logs[first:]
    off *= slopes
    np.exp(off, out=off)
    points.ranks.take(at, axis=0, out=seen, mode="clip")
    seen *= np.reciprocal(rank)
    seen -= off
    return seen


def _able(able: npt.NDArray[np.bool_], ranks: Singles, rank: Singles, sizes: Indices) -> npt.NDArray[np.bool_]:
    """Less what begins no tail below xmin: all but the last of equal values, the tail, and the two largest values."""
    able &= ranks == rank
    longest = max(int(sizes.max() - rank[0, 0]) + 1, 0)
    able[:longest] &= rank[:longest] > sizes
    for short in (sizes < 2).nonzero()[0]:
        begins = (ranks[:, short] == rank[:, 0]) & (rank[:, 0] > sizes[short])
        able[:, short] &= begins.cumsum() + sizes[short] > 2
    return able


def _sums(tails: Sequence[OwnTails], points: Points, first: int) -> Singles:
    """(ranks from ``first`` on, replicates): of the logarithms of the largest values over the last of them; cumulative,
    within blocks and then from block to block."""
    logs = points.logs
    size, width = logs.shape
    blocks = -(-(size - first) // BLOCK)
    sums = points.room.array(2, blocks * BLOCK, width)
    sums[size - first :] = 0
    skipped = 1 if first == 0 else 0
    sums[:skipped] = 0
    np.subtract(logs[first + skipped - 1 : -1], logs[first + skipped :], out=sums[skipped : size - first])
    sums[: size - first] *= np.arange(first, size, dtype=np.float32)[:, None]
    rows = width // len(tails)
    for k, one in enumerate(tails):
        some = slice(k * rows, (k + 1) * rows)
        sums[: one.first - first, some] = 0
        if 0 < one.first < size:
            sums[one.first - first, some] += one.sums
    blocked = sums.reshape(blocks, BLOCK, width)
    for at in range(1, BLOCK):
        blocked[:, at] += blocked[:, at - 1]
    np.cumsum(blocked[:, -1], axis=0, out=blocked[:, -1])
    blocked[1:, :-1] += blocked[:-1, -1:]
    return sums[: size - first]
