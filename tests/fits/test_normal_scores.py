"""Normal scores: the inverse of the shares above them, as scipy has both."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from htmu_diag.fits.normal_scores import score_above, share_above

SHARES = [1e-290, 1e-30, 1e-4, 0.01, 0.2, 0.5, 0.7, 0.99, 1 - 1e-12]


@pytest.mark.parametrize("share", SHARES)
def test_scores_and_shares_are_those_of_the_normal_law(share: float) -> None:
    assert score_above(share) == pytest.approx(-ndtri(share), rel=1e-13, abs=1e-13)
    assert share_above(score_above(share)) == pytest.approx(share, rel=1e-12)


def test_shares_of_scores_far_out_are_those_of_scipy_and_no_share_is_a_finite_score() -> None:
    scores = np.linspace(-9.0, 37.0, 47)
    assert [share_above(score) for score in scores.tolist()] == pytest.approx(ndtr(-scores).tolist(), rel=1e-13)
    assert -score_above(1.0) == score_above(0.0) == pytest.approx(37, abs=0.1)
