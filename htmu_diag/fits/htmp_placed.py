"""How many HTMP fits lie to their values: levels, distances, and where each law misses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from htmu_diag.fits.distance import LOG_TINY
from htmu_diag.fits.htmp_lanes import Lane
from htmu_diag.fits.law_reading import Place, place_of
from htmu_diag.laws.htmp_lattice import Row
from htmu_diag.laws.htmp_rows import log_tails
from htmu_diag.spectrum import Floats

__all__ = ["Placed", "placed"]


@dataclass(frozen=True)
class Placed:
    """(k,) KS and Anderson-Darling distances, the latter of all values without masses; misses: where each is worst."""

    ks: Floats
    ad: Floats
    misses: list[Place]


def placed(lanes: Sequence[Lane], rows: Sequence[Row], v: Floats) -> Placed:
    """Of lanes with the row of their law and its log scale."""
    sizes = np.array([lane.t.size for lane in lanes], np.intp)
    starts = np.cumsum(sizes) - sizes
    t = np.concatenate([lane.t for lane in lanes])
    t -= v.repeat(sizes)
    lower, upper = log_tails(rows, sizes.tolist(), t)
    pieces = [slice(a, a + n) for a, n in zip(starts.tolist(), sizes.tolist(), strict=True)]
    # of ascending values
    sides = [(of, lane.inverse) for of, lane in zip(pieces, lanes, strict=True)]
    below = np.concatenate([upper[of][::-1] if inverse else lower[of] for of, inverse in sides])
    opposite = np.concatenate([lower[of] if inverse else upper[of][::-1] for of, inverse in sides])
    levels = np.exp(below - np.repeat(_log_masses(lanes, rows, v), sizes))
    rank = np.arange(1, levels.size + 1) - np.repeat(starts, sizes)
    masses = _ascending(lanes, "masses")
    sums = rank if masses is None else np.concatenate([np.cumsum(masses[of]) for of in pieces])
    unseen, known = np.array([[lane.unseen, lane.known] for lane in lanes]).T
    total, each = np.repeat(known + unseen, sizes), 1.0 if masses is None else masses
    after = (np.repeat(unseen, sizes) + sums) / total
    ks = np.maximum.reduceat(np.maximum(after - levels, levels - (after - each / total)), starts)
    both = np.maximum(below, LOG_TINY) + np.maximum(opposite, LOG_TINY)
    ad = -sizes - np.add.reduceat((2 * rank - 1) * both, starts) / sizes
    middle = (np.repeat(unseen, sizes) + sums - each / 2) / total
    off = np.abs(middle - levels) / np.sqrt(middle * (1 - middle) + 1 / total)
    return Placed(ks, ad, [place_of(float(middle[of][off[of].argmax()])) for of in pieces])


def _ascending(lanes: Sequence[Lane], name: str) -> Floats | None:
    """Masses in the order of the values, None where all are one."""
    if all(lane.masses is None for lane in lanes):
        return None
    each = [np.ones(lane.t.size) if lane.masses is None else lane.masses for lane in lanes]
    return np.concatenate([one[::-1] if lane.inverse else one for one, lane in zip(each, lanes, strict=True)])


def _log_masses(lanes: Sequence[Lane], rows: Sequence[Row], v: Floats) -> Floats:
    """(k,): log of the law's mass within each cut."""
    found = np.zeros(len(lanes))
    cut = [k for k, lane in enumerate(lanes) if lane.cut is not None]
    if cut:
        ends = np.array([lane.cut for lane in lanes if lane.cut is not None]) - v[cut]
        lower, upper = log_tails([rows[k] for k in cut], [1] * len(cut), ends)
        found[cut] = np.where([lanes[k].inverse for k in cut], upper, lower)
    return found
