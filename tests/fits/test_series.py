"""Exponents of a path are those of its jumps, not of its schedule."""

import math

import numpy as np
import pytest

from htmu_diag.fits import fit_power_law
from htmu_diag.fits.series import _correlation, fit_series, running_median

STEPS = np.arange(1000)


def jumps(seed: int, n: int = 1000) -> np.ndarray:
    return np.abs(np.random.default_rng(seed).standard_t(3, n))


def test_an_envelope_does_not_change_the_exponent_of_the_jumps() -> None:
    """|t_3| has a tail of alpha 4, which the scan reads 3.2 +- 0.3 at this size, with or without the envelope."""
    envelope = np.exp(-3 * STEPS / 1000)
    plain = np.array([fit_power_law(jumps(seed)).alpha for seed in range(20)])
    detrended = np.array([fit_series(jumps(seed) * envelope).upper.alpha for seed in range(20)])
    assert abs(np.median(detrended) - np.median(plain)) < 0.3
    assert 3.0 < np.median(detrended) < 4.1


def test_light_lengths_under_a_falling_envelope_are_light() -> None:
    lengths = np.sqrt(np.random.default_rng(0).chisquare(200, 1000)) / (1 + STEPS / 50)
    assert fit_power_law(lengths).alpha < 3
    fit = fit_series(lengths)
    assert fit.upper.alpha > 8
    assert fit.drift == pytest.approx(21 / 1.5, rel=0.4)


def test_the_running_median_follows_what_is_smooth_and_not_a_jump() -> None:
    smooth = np.exp(-STEPS / 400)
    jumping = smooth.copy()
    jumping[500] *= 100
    np.testing.assert_allclose(running_median(smooth)[60:-60], smooth[60:-60], rtol=1e-12)
    assert running_median(jumping)[500] == pytest.approx(smooth[500], rel=0.01)


def test_neighbours_that_are_alike_have_a_correlation() -> None:
    rng = np.random.default_rng(1)
    noise = rng.standard_normal(2000)
    momentum = np.zeros(2000)
    for step in range(1, 2000):
        momentum[step] = 0.9 * momentum[step - 1] + 0.3 * noise[step]
    alone, together = fit_series(np.exp(noise)), fit_series(np.exp(momentum))
    assert alone.independent[0] < alone.autocorrelation < alone.independent[1]
    assert together.autocorrelation > 0.6


@pytest.mark.parametrize("values", [[], [1.0], [2.0, 2.0, 2.0], [0.0, 0.0], np.ones(100)])
def test_a_path_without_a_tail_is_a_status(values: list[float]) -> None:
    fit = fit_series(values)
    assert not fit.upper.status.ok
    assert np.isnan(fit.autocorrelation)


def test_values_of_both_signs_have_no_correlation_of_logarithms() -> None:
    with np.errstate(all="raise"):
        assert math.isnan(_correlation(np.array([1.0, -0.5, 2.0, 3.0, 1.0])))
