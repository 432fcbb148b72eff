"""The product of matrices is the likelihood, and its top is that of all shapes and scales tried one by one."""

import math

import numpy as np
import pytest

from htmu_diag.fits.law_heights import first_heights, further_heights, rows_of, window_heights
from htmu_diag.fits.law_row import Row
from htmu_diag.fits.law_rows import FAMILIES
from htmu_diag.fits.law_sample import COARSE_SHIFTS, CONTAMINATION, FINE_SHIFTS, SHIFTS, STRIDE, Sample, samples_of
from htmu_diag.fits.law_search import _between, likeliest_of
from htmu_diag.fits.law_windows import windows_of
from htmu_diag.laws.ensembles import beta_laguerre

GAMMA = 0.25
NAMES = [family.name for family in FAMILIES]
SHAPED = [family for family in FAMILIES if family.parameter]


def logs(name: str) -> np.ndarray:
    rng = np.random.default_rng(5)
    if name == "tail":
        return np.log(np.sort(rng.pareto(1.5, 120) + 1))
    spikes = [40.0, 90.0] if name == "spikes" else []
    return np.log(np.append(beta_laguerre(120, GAMMA, 3.0, rng=rng), spikes))


def log_likelihoods(sample: Sample, row: Row, scales: np.ndarray) -> np.ndarray:
    densities = (1 - CONTAMINATION) * np.exp(row.log_g) + sample.background
    beyond = math.log(sample.background)
    return np.interp(sample.t - scales[:, None], row.nodes, np.log(densities), beyond, beyond) @ sample.masses


def scales_at(sample: Sample, row: Row, shifts: np.ndarray) -> np.ndarray:
    return sample.middle - row.quartiles[1] + sample.step * shifts


@pytest.mark.parametrize(("name", "slope"), [("HTMP", 0), ("InverseHTMP", -2), ("Gamma", 3)])
def test_the_product_is_the_likelihood_at_every_shift(name: str, slope: int) -> None:
    """That of a window with another beside it, whose rows follow a ridge, and of a first look and of one more place of
    it."""
    (sample,), family = samples_of([logs("bulk")]), NAMES.index(name)
    rows, few = rows_of(GAMMA, sample.step), 4
    window = window_heights([(sample, rows, [(NAMES.index("Wachter"), 0, 3, 0), (family, few, -16, slope)])])[7:]
    first = sum(len(one.first) for one in FAMILIES[:family]) + FAMILIES[family].first.index(few + 2)
    coarse = first_heights([sample], [rows])[0, first]
    further = further_heights(sample, rows, family, few + 2)
    fine_shifts, coarse_shifts = -16 + np.arange(FINE_SHIFTS), -SHIFTS + STRIDE * np.arange(COARSE_SHIFTS)
    for place, line, shifts, close in [
        (few, window[0], fine_shifts, 0.03),
        (few + 6, window[6], fine_shifts + 6 * slope, 0.03),
        (few + 2, coarse, coarse_shifts, 0.5),
        (few + 2, further, coarse_shifts, 0.5),
    ]:
        row = FAMILIES[family].row(GAMMA, place)
        one_by_one = log_likelihoods(sample, row, scales_at(sample, row, shifts))
        np.testing.assert_allclose(line, one_by_one, atol=close)
        assert np.abs(line[1:] - one_by_one[:-1]).max() > 0.05
    np.testing.assert_allclose(further, coarse, rtol=1e-5)


def test_the_inverse_law_of_reciprocals_is_the_law_of_the_values() -> None:
    t = logs("spikes")
    one, other = likeliest_of(samples_of([t, -t[::-1]]), [GAMMA, GAMMA])
    for name, mirrored in (("HTMP", "InverseHTMP"), ("InverseHTMP", "HTMP")):
        k, m = NAMES.index(name), NAMES.index(mirrored)
        assert one.heights[k] == pytest.approx(other.heights[m], abs=2e-3)
        assert one.scales[k] == pytest.approx(-other.scales[m], abs=1e-3)
        levels = FAMILIES[k].row(GAMMA, one.near[k]).cdf(t - one.near_scales[k])
        mirrored_levels = FAMILIES[m].row(GAMMA, other.near[m]).cdf(-t - other.near_scales[m])
        np.testing.assert_allclose(levels, 1 - mirrored_levels, atol=1e-3)


@pytest.mark.parametrize("name", ["bulk", "spikes", "tail"])
def test_no_shape_and_scale_of_the_grid_is_likelier(name: str) -> None:
    (sample,) = samples_of([logs(name)])
    (found,) = likeliest_of([sample], [GAMMA])
    for family, height in zip(FAMILIES, found.heights, strict=True):
        if family in SHAPED:
            rows = [family.row(GAMMA, place) for place in range(family.low, family.high + 1)]
            tried = [log_likelihoods(sample, row, scales_at(sample, row, np.arange(-160, 161, 2))) for row in rows]
            assert -0.15 < height - np.max(tried) < 0.6, family.name


def test_between_the_shapes_the_top_of_a_parabola_is_found() -> None:
    (place,), (gained,) = _between(np.array([[-((k - 3.3) ** 2) for k in range(7)]]), np.array([3]))
    assert place == pytest.approx(0.3, abs=1e-6)
    assert gained == pytest.approx(0.09, abs=1e-6)


def test_a_kink_of_the_profile_lifts_no_top() -> None:
    """Seven heights of a law with edges, of which the polynomial makes 3.1 more than the highest."""
    heights = np.array([[-412.5, -400.6, -384.8, -381.0, -382.2, -376.8, -379.5]])
    (place,), (gained,) = _between(heights, np.array([5]))
    assert gained < 0.2
    assert 1.5 < place < 2.5


@pytest.mark.parametrize("name", ["bulk", "tail"])
def test_the_likeliest_scales_of_all_shapes_lie_within_their_windows(name: str) -> None:
    """Those of the seven shapes about the top, whose scales drift."""
    (sample,) = samples_of([logs(name)])
    windows, _ = windows_of([sample], [rows_of(GAMMA, sample.step)])
    for family in SHAPED:
        lane = NAMES.index(family.name)
        columns = windows.columns[lane]
        assert 0 < columns.min() <= columns.max() < FINE_SHIFTS - 1, family.name
    assert windows.slopes.any()


@pytest.mark.parametrize("seed", [31, 49])
def test_no_scale_beside_that_of_a_law_with_edges_is_likelier(seed: int) -> None:
    """Square noise, whose kappa is the last of the grid and whose upper edge is one."""
    matrix = np.random.default_rng(seed).standard_normal((80, 80))
    (sample,), k = samples_of([np.log(np.linalg.eigvalsh(matrix @ matrix.T))]), NAMES.index("HTMP")
    (found,) = likeliest_of([sample], [1.0])
    row = FAMILIES[k].row(1.0, found.near[k])
    beside = found.near_scales[k] + sample.step * np.array([-0.5, 0.5])
    assert log_likelihoods(sample, row, beside).max() < found.heights[k] + 0.01
