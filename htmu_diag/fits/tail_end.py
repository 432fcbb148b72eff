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

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from htmu_diag.spectrum import Floats

__all__ = ["end_statistic"]

_REJECT_ABOVE = 3.0
_SHARE, _LEAST = 0.2, 16
# positions of the largest value as a share of the tail's end, dense near one, where the likelihood is steep
_SHARES = np.concatenate((np.linspace(0.02, 0.9, 24), 1 - np.logspace(-1.1, -6, 24)))[:, None]
_MOST = 4096  # values looked at; more only add certainty to what is certain
_FEWEST, _STEP = 8, 0.75  # the smallest top that is looked at, and its size relative to the next larger one
# 2 % of noise matrices have a larger gain (n from 100 to 1,000, gamma from 0.05 to 1), 90 % and more of long tails
_GAIN = 0.5


@dataclass(frozen=True)
class _Ended:
    """t of the tail, and the ended law: density (1 - t/end)^(1/index - 1)/(index end); statistic is T."""

    logs: Floats
    end: float
    index: float
    statistic: float


def end_statistic(values: Floats, start: int, *, own_only: bool = False) -> float:
    """T of ascending ``values`` whose fitted tail are those from index ``start`` on; 0 where no end is made out.

    That is where T is 3 or less, where the largest values do not bear the end out, and for fewer than five values.
    own_only: leaves the largest fifth out, for a start that was chosen and not searched for.
    """
    wider = values.size - max(round(_SHARE * values.size), _LEAST)
    starts = [start, wider] if 0 <= wider < start and not own_only else [start]
    laws = [law for first in starts if (law := _ended(values[first:])) is not None]
    statistic = max((law.statistic for law in laws), default=0.0)
    if statistic <= _REJECT_ABOVE or max(_gain(law, values.size - start) for law in laws) >= _GAIN:
        return 0.0
    return statistic


def _ended(tail: Floats) -> _Ended | None:
    if tail.size < 5 or not tail[-1] > tail[0]:
        return None
    logs = np.log(tail) - np.log(tail[0])
    seen = logs[:: -(-tail.size // _MOST)]
    rate = _SHARES / logs[-1]
    index = -np.log1p(-rate * seen).mean(axis=1)  # -xi, at most 1
    rate = rate[:, 0]
    bounded = np.where(index <= 1, np.log(rate / index) + index - 1, np.log(rate))
    best = int(bounded.argmax())
    statistic = max(2 * tail.size * float(bounded[best] + np.log(seen.mean()) + 1), 0.0)
    return _Ended(logs, float(1 / rate[best]), float(min(index[best], 1.0)), statistic)


def _gain(law: _Ended, n_tail: int) -> float:
    """The most that a power law of the largest k values is likelier for them than ``law``, twice the log ratio."""
    sizes = _tops(n_tail)
    above = law.logs[::-1]
    mean = _means(above, sizes) - law.logs[-sizes]  # (k,) of log(x/x_k) over the largest k
    room = law.end - law.logs[-sizes]
    left = _means(np.log(law.end - above), sizes) - np.log(room)
    distinct = mean > 0
    ended = -np.log(law.index * room) + (1 / law.index - 1) * left
    power = -np.log(np.where(distinct, mean, 1.0)) - 1
    return float((2 * sizes * (power - ended))[distinct].max(initial=-np.inf))


@lru_cache(maxsize=1024)
def _tops(n_tail: int) -> np.ndarray:
    """Sizes from ``n_tail`` down to eight (or the tail alone where it is smaller)."""
    steps = max(int(np.log(_FEWEST / n_tail) / np.log(_STEP)), 0) + 1
    return np.unique((n_tail * _STEP ** np.arange(steps)).astype(np.intp))


def _means(descending: Floats, sizes: np.ndarray) -> Floats:
    """Means of the first k values, for each size k."""
    return np.asarray(np.cumsum(descending[: sizes[-1]])[sizes - 1] / sizes)
