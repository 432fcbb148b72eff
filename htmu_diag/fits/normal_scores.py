"""Normal scores and the shares above them: all that tables of nulls need of the normal law.

Without scipy.special, whose import takes as long as the diagnoses of a small model.
"""

from __future__ import annotations

import math
from functools import lru_cache

__all__ = ["score_above", "share_above"]

_LEAST = 1e-300  # of shares: that of the score 37, where floats end
_STEPS, _WITHIN = 60, 1e-14


def share_above(score: float) -> float:
    """Of normal values, those above a score."""
    return math.erfc(score / math.sqrt(2)) / 2


@lru_cache(maxsize=512)
def score_above(share: float) -> float:
    """The score above which this share of normal values lies, between -37 and 37.

    Newton's method on the logarithm of the share, which is concave: from above, where Chernoff's bound lies, it goes
    down to the score and does not pass it.
    """
    if share > 0.5:
        return -score_above(1 - share)
    share = max(share, _LEAST)
    score = math.sqrt(-2 * math.log(2 * share))
    for _ in range(_STEPS):
        above = share_above(score)
        step = math.log(above / share) * above * math.sqrt(2 * math.pi) * math.exp(score * score / 2)
        score += step
        if abs(step) < _WITHIN:
            break
    return score
