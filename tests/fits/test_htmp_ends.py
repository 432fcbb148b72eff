"""The ends of intervals of many HTMP fits, where they lie far from the peak."""

from __future__ import annotations

import numpy as np
import pytest

from htmu_diag.fits.htmp_ends import _BEYOND
from htmu_diag.fits.htmp_lanes import Lane
from htmu_diag.fits.htmp_likelihood import HIGHEST, LOWEST
from htmu_diag.fits.htmp_maxima import _alone, maxima
from htmu_diag.laws.ensembles import beta_laguerre
from htmu_diag.laws.htmp_lattice import STEP
from htmu_diag.laws.htmp_windows import STARTS, WIDTH, WINDOWS


@pytest.mark.parametrize("side", [0, 1])
def test_windows_on_the_way_outwards_share_a_row_and_reach_the_end_of_the_grid(side: int) -> None:
    """An end is on the line between two rows that follow each other; where both are, one window has them."""
    for number in range(WINDOWS):
        while number != (last := (WINDOWS - 1) * side):
            beyond = int(_BEYOND[side, number])
            assert (beyond > number) == bool(side)
            assert abs(int(STARTS[beyond]) - int(STARTS[number])) < WIDTH
            number = beyond
        assert (STARTS[last] + WIDTH - 1 >= HIGHEST) if side else (STARTS[last] <= LOWEST)


@pytest.mark.parametrize(("n", "kappa"), [(12, 3.0), (12, 8.0), (20, 6.0)])
def test_ends_that_lie_windows_away_are_those_of_the_search_of_one(n: int, kappa: float) -> None:
    """Of few values, whose intervals are wide, or open where the grid ends."""
    lanes = []
    for seed in range(12):
        values = beta_laguerre(n, 0.5, kappa, rng=np.random.default_rng(seed))
        lanes.append(Lane(0.5, np.log(values / values.mean())))
    found = maxima(lanes, [False] * len(lanes))
    widths = np.array([one.interval[1] - one.interval[0] for one in found])
    assert widths[np.isfinite(widths)].max() > WIDTH * STEP / 2
    assert np.isinf(widths).any()
    for lane, one in zip(lanes, found, strict=True):
        alone = _alone(lane, [one.peak.u], independent=False)
        assert one.interval == pytest.approx(alone.interval, abs=0.01 * one.peak.u_stderr)
