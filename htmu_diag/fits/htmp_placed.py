"""How many HTMP fits lie to their values: levels, distances, and where each law misses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from htmu_diag.fits.distance import LOG_TINY
from htmu_diag.fits.htmp_lanes import Lane
from htmu_diag.fits.law_reading import Place, place_of
from htmu_diag.laws.hermite import hermite
from htmu_diag.laws.htmp_lattice import Indices, Row
from htmu_diag.spectrum import Floats

__all__ = ["Placed", "placed"]

Mask = npt.NDArray[np.bool_]

_MOST = 300.0  # of a logarithm before its exponential


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
    lower, upper, cuts = _log_tails(lanes, rows, v)
    pieces = [slice(a, a + n) for a, n in zip(starts.tolist(), sizes.tolist(), strict=True)]
    # of ascending values
    sides = [(of, lane.inverse) for of, lane in zip(pieces, lanes, strict=True)]
    below = np.concatenate([upper[of][::-1] if inverse else lower[of] for of, inverse in sides])
    opposite = np.concatenate([lower[of] if inverse else upper[of][::-1] for of, inverse in sides])
    levels = np.exp(below - np.repeat(cuts, sizes))
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


def _log_tails(lanes: Sequence[Lane], rows: Sequence[Row], v: Floats) -> tuple[Floats, Floats, Floats]:
    """(n,) each: log F and log(1 - F) at the values of all lanes; (k,): the law's log mass within each cut."""
    t = [lane.t - shift for lane, shift in zip(lanes, v, strict=True)]
    ends = np.array([np.nan if lane.cut is None else lane.cut for lane in lanes]) - v
    lower, upper = [np.empty(0)] * len(t), [np.empty(0)] * len(t)
    cuts = np.zeros(len(t))
    for lattice in {id(row.lattice): row.lattice for row in rows}.values():
        those = [k for k, row in enumerate(rows) if row.lattice is lattice]
        cut = [k for k in those if lanes[k].cut is not None]
        points, owner = (
            [t[k] for k in those] + [ends[cut]],
            np.repeat(
                np.append(np.arange(len(those)), [those.index(k) for k in cut]).astype(np.intp),
                [t[k].size for k in those] + [1] * len(cut),
            ),
        )
        both = _tails_of(np.stack([rows[k].data for k in those]), lattice.places(np.concatenate(points)), owner)
        breaks = np.cumsum([t[k].size for k in those])
        for k, low, high in zip(those, np.split(both[0], breaks), np.split(both[1], breaks), strict=False):
            lower[k], upper[k] = low, high
        for side, inverse in zip(both, (False, True), strict=True):
            chosen = [k for k, j in enumerate(cut) if lanes[j].inverse == inverse]
            cuts[[cut[k] for k in chosen]] = side[breaks[-1] :][chosen]
    return np.concatenate(lower), np.concatenate(upper), cuts


def _tails_of(data: Floats, places: tuple[Indices, Floats, Floats], owner: Indices) -> Floats:
    """(2, n): log F and log(1 - F), data (k, 5, m), each point with its place and its law: the smaller one is
    interpolated, the other follows."""
    i, width, s = places
    m = data.shape[2]
    flat, base = data.reshape(-1), owner * (5 * m) + i
    below = flat[base + 3 * m] < flat[base + 4 * m]
    at = base + np.where(below, 3 * m, 4 * m)
    ends = np.stack([flat[at], flat[at + 1]])
    slopes = np.exp(np.minimum(np.stack([flat[base], flat[base + 1]]) - ends, _MOST))
    slopes *= np.where(below, 1.0, -1.0)
    small = np.minimum(hermite(ends, slopes, 0, width, s), 0.0)
    with np.errstate(divide="ignore"):
        rest = np.log(-np.expm1(small))
    return np.stack([np.where(below, small, rest), np.where(below, rest, small)])
