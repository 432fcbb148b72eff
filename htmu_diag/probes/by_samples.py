"""What a measurement over samples will cost, from runs over a few of them.

Kernels of n samples take between n and n**2: the power is read off the last two of a doubling series of small runs,
which ends before it has taken a third of a second.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from htmu_diag.errors import InputError, MeasurementError
from htmu_diag.probes.trial import seconds_of_trial

__all__ = ["seconds_by_samples"]

_FEW, _SHARE = 4, 32  # samples of the first run: so many at most, and one in so many
_ENOUGH = 0.3  # seconds of trying
_MOST_POWER = 2.0


def seconds_by_samples(run: Callable[[int], object], samples: int) -> float:
    """Seconds that ``run(samples)`` takes, about; at most half of them are tried. 0 where a run fails: the measurement
    itself says why."""
    try:
        count = max(1, min(_FEW, samples // _SHARE))
        run(count)  # whatever is made at first use
        return _extrapolated(run, samples, count)
    except (MeasurementError, InputError, RuntimeError):
        return 0.0


def _extrapolated(run: Callable[[int], object], samples: int, count: int) -> float:
    power, spent = 1.0, 0.0
    took = seconds_of_trial(run, count)
    while 4 * count <= samples and spent + 3 * took < _ENOUGH:  # the next one takes twice as long at least
        spent, before, count = spent + took, took, 2 * count
        took = seconds_of_trial(run, count)
        power = min(max(math.log2(max(took, 1e-9) / max(before, 1e-9)), 1.0), _MOST_POWER)
    return float(took * max(samples / count, 1.0) ** power)
