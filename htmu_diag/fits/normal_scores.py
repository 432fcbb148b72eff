"""Normal scores and the shares above them: all that tables of nulls need of the normal law.

Without scipy.special, whose import takes as long as the diagnoses of a small model.
"""

from __future__ import annotations

import math
from functools import lru_cache

__all__ = ["score_above", "share_above"]

_LEAST = 1e-300  # of shares: that of the score 37, where floats end


def share_above(score: float) -> float:
    """Of normal values, those above a score."""
    return math.erfc(score / math.sqrt(2)) / 2


@lru_cache(maxsize=512)
def score_above(share: float) -> float:
    """The score above which this share of normal values lies, between -37 and 37."""
    from statistics import NormalDist  # 3 ms of fractions and decimals, where a quantile is asked for

    return -score_above(1 - share) if share > 0.5 else -NormalDist().inv_cdf(max(share, _LEAST))
