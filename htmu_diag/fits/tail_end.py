"""Does the tail end? A likelihood-ratio test of a power law against tails with a finite end.

Above xmin a power law makes t = log(x/xmin) exponential. Tails that end somewhere (the edge of a Marchenko-Pastur
bulk is the case that matters) make it generalised Pareto with a negative index xi, density (1/s)(1 + xi t/s)^(-1/xi -
1) on [0, -s/xi]: the exponential law is xi = 0. T is twice the log of the ratio of the two maximised likelihoods over
-1 <= xi < 0. The likelihood is profiled over s/xi on a grid (Grimshaw 1993), which needs no iteration.

The scan for xmin flatters the power law: it looks for the stretch that is straightest. T is therefore taken on the
scan's tail and on the largest fifth of the values (16 at least), and the larger T counts. But a stretch that is wider
than the tail holds some of the body, and the body's curve looks like an end. An end is a statement about the largest
values, so it has to come true there: the ended law of each stretch is held against a power law on the largest k values
alone, for k from the fitted tail down to eight. Where an edge makes the end, it foretells them as well as a power law
that is fitted to them, at every k; where a body makes it, the largest values run past it and the power law gains. The
end counts only where the largest such gain (twice the log ratio) stays below 0.5.

Measured in ``benchmarks/calibration.py`` (20 to 300 samples each): refused are 1 % of pure power laws, at most 5 % of
|Student t| with 2 to 4 degrees of freedom and of Pareto tails of 2 to 25 % on a lognormal or Marchenko-Pastur body,
and 97 to 100 % of pure noise matrices with 100 or more eigenvalues (89 to 98 % with 50).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from htmu_diag.fits.side_by_side import SideBySide
from htmu_diag.spectrum import Floats

__all__ = ["end_statistic", "end_statistics"]

_REJECT_ABOVE = 3.0
_SHARE, _LEAST = 0.2, 16
# positions of the largest value as a share of the tail's end, dense near one, where the likelihood is steep
_SHARES = np.concatenate((np.linspace(0.02, 0.9, 24), 1 - np.logspace(-1.1, -6, 24)))[:, None]
_AT_ONCE = 1024  # values whose likelihoods are profiled together: what a cache holds
_MOST = 4096  # values looked at; more only add certainty to what is certain
_FEWEST, _STEP = 8, 0.75  # the smallest top that is looked at, and its size relative to the next larger one
# 2 % of noise matrices have a larger gain (n from 100 to 1,000, gamma from 0.05 to 1), 90 % and more of long tails
_GAIN = 0.5


@dataclass(frozen=True)
class _Ended:
    """t of a tail, and the ended law: density (1 - t/end)^(1/index - 1)/(index end); statistic is T."""

    logs: Floats
    end: float
    index: float
    statistic: float


def end_statistic(values: Floats, start: int, *, own_only: bool = False) -> float:
    """T of ascending ``values`` whose fitted tail are those from index ``start`` on; 0 where no end is made out.

    That is where T is 3 or less, where the largest values do not bear the end out, and for fewer than five values.
    own_only: leaves the largest fifth out, for a start that was chosen and not searched for.
    """
    return end_statistics([(values, start, own_only)])[0]


def end_statistics(given: Sequence[tuple[Floats, int, bool]]) -> list[float]:
    """The same of several samples, each with its start and with whether the largest fifth is left out."""
    stretches: list[Floats] = []
    sample: list[int] = []
    for k, (values, start, own_only) in enumerate(given):
        wider = values.size - max(round(_SHARE * values.size), _LEAST)
        for first in [start, wider] if 0 <= wider < start and not own_only else [start]:
            if values.size - first >= 5 and values[-1] > values[first]:
                stretches.append(values[first:])
                sample.append(k)
    laws = _ended(stretches)
    found = [0.0] * len(given)
    for k, law in zip(sample, laws, strict=True):
        found[k] = max(found[k], law.statistic)
    asked = [
        (law, given[k][0].size - given[k][1], k)
        for k, law in zip(sample, laws, strict=True)
        if found[k] > _REJECT_ABOVE
    ]
    for (_, _, k), gain in zip(asked, _gains([one[:2] for one in asked]), strict=True):
        if gain >= _GAIN:
            found[k] = 0.0
    return [one if one > _REJECT_ABOVE else 0.0 for one in found]


def _ended(tails: Sequence[Floats]) -> list[_Ended]:
    """The ended laws of ascending tails of five values or more, not all equal."""
    found: list[_Ended] = []
    first, size = 0, 0
    for k, tail in enumerate(tails):
        size += tail.size
        if size >= _AT_ONCE or k == len(tails) - 1:
            found += _ended_together(tails[first : k + 1])
            first, size = k + 1, 0
    return found


def _ended_together(given: Sequence[Floats]) -> list[_Ended]:
    tails = SideBySide.of(given)
    logs = np.log(tails.values)
    logs -= tails.each(logs[tails.starts])
    own = np.split(logs, tails.starts[1:])
    seen = tails if tails.sizes.max() <= _MOST else SideBySide.of([one[:: -(-one.size // _MOST)] for one in own])
    shown = logs if seen is tails else seen.values
    rate = _SHARES / logs[tails.starts + tails.sizes - 1]  # (shares, tails)
    off = seen.each(-rate) * shown
    index = -seen.means(np.log1p(off, out=off))  # -xi, at most 1
    bounded = np.where(index <= 1, np.log(rate / index) + index - 1, np.log(rate))
    best, each = bounded.argmax(axis=0), np.arange(len(own))
    statistics = np.maximum(2 * tails.sizes * (bounded[best, each] + np.log(seen.means(shown)) + 1), 0.0)
    ends, indices = 1 / rate[best, each], np.minimum(index[best, each], 1.0)
    return [_Ended(*one) for one in zip(own, ends.tolist(), indices.tolist(), statistics.tolist(), strict=True)]


def _gains(given: Sequence[tuple[_Ended, int]]) -> list[float]:
    """The most that a power law of the largest k values is likelier for them than a law, twice the log ratio; each law
    with the size of the fitted tail."""
    if not given:
        return []
    tops = SideBySide.of([_tops(n_tail) for _, n_tail in given])
    sizes = tops.values
    above = np.zeros((len(given), int(sizes.max())))  # the largest first
    for row, (law, _) in zip(above, given, strict=True):
        row[: law.logs.size] = law.logs[::-1][: row.size]
    ends, index = np.array([law.end for law, _ in given]), tops.each(np.array([law.index for law, _ in given]))
    last = above.shape[1] * tops.each(np.arange(len(given))) + sizes - 1  # of the largest k
    least = above.take(last)
    room = tops.each(ends) - least
    mean = above.cumsum(axis=1).take(last) / sizes - least  # (k,) of log(x/x_k) over the largest k
    left = np.log(ends[:, None] - above).cumsum(axis=1).take(last) / sizes - np.log(room)
    distinct = mean > 0
    ended = -np.log(index * room) + (1 / index - 1) * left
    power = -np.log(np.where(distinct, mean, 1.0)) - 1
    gain = np.where(distinct, 2 * sizes * (power - ended), -np.inf)
    return list(np.maximum.reduceat(gain, tops.starts).tolist())


@lru_cache(maxsize=1024)
def _tops(n_tail: int) -> np.ndarray:
    """Sizes from ``n_tail`` down to eight (or the tail alone where it is smaller)."""
    steps = max(int(np.log(_FEWEST / n_tail) / np.log(_STEP)), 0) + 1
    sizes = (n_tail * _STEP ** np.arange(steps - 1, -1, -1)).astype(np.intp)
    return np.asarray(sizes[np.append(True, sizes[1:] > sizes[:-1])])
