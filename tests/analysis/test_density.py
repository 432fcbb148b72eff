"""The 128-bin density keeps the mass of the spectrum and says where it lies."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from htmu_diag.analysis.density import BINS, binned
from htmu_diag.spectrum import Estimator, Kind, Source, Spectrum

SOURCE = Source(Kind.WEIGHTS, "fc", (400, 400))


def test_the_density_of_a_log_uniform_spectrum_is_flat() -> None:
    u = (np.arange(128 * 50) + 0.5) / 50  # 50 values in each bin
    spectrum = Spectrum.exact(10 ** (u / 40), SOURCE)
    tensor = binned(spectrum)
    assert tensor is not None
    centres, mass = tensor
    assert mass == pytest.approx(np.full(BINS, 1 / BINS), rel=0.03)
    assert np.diff(np.log10(centres)) == pytest.approx(np.full(BINS - 1, np.ptp(u) / 40 / BINS), rel=1e-3)


def test_zeros_are_left_out_and_missed_in_the_mass() -> None:
    tensor = binned(Spectrum.exact([0.0, 1e-30, 1.0, 2.0], SOURCE))
    assert tensor is not None
    assert tensor[1].sum() == pytest.approx(0.5)
    assert tensor[0, 0] > 0.9


def test_a_hessian_shows_both_signs_on_one_ascending_axis() -> None:
    nodes = np.array([-2.0, -1e-3, 1e-4, 5.0])
    spectrum = Spectrum(nodes, np.array([0.1, 0.4, 0.3, 0.2]), 10**6, SOURCE, Estimator("quadrature"))
    tensor = binned(spectrum)
    assert tensor is not None
    centres, mass = tensor.astype(float)
    assert mass.sum() == pytest.approx(1.0)
    assert (np.diff(centres) > 0).all()
    assert mass[centres < 0].sum() == pytest.approx(0.5)
    largest = centres[mass > 0][-1]
    assert largest == pytest.approx(5.0, rel=0.2)


@pytest.mark.parametrize("values", [[], [0.0], [0.0, 0.0]])
def test_there_is_no_density_without_an_eigenvalue_other_than_zero(values: list[float]) -> None:
    assert binned(Spectrum.exact(values, SOURCE)) is None


def test_a_constant_spectrum_fills_one_bin() -> None:
    tensor = binned(Spectrum.exact([3.0] * 7, SOURCE))
    assert tensor is not None
    assert tensor[1].max() == pytest.approx(1.0)
    assert tensor[0][tensor[1].argmax()] == pytest.approx(3.0, rel=0.01)


@settings(deadline=None)
@example(np.array([-5e-324]))
@given(arrays(np.float64, st.integers(1, 50), elements=st.floats(-1e30, 1e30)))
def test_any_spectrum_gives_finite_bins_with_at_most_its_mass(values: np.ndarray) -> None:
    tensor = binned(Spectrum.exact(values, SOURCE))
    if tensor is not None:
        assert np.isfinite(tensor).all()
        assert (np.diff(tensor[0]) >= 0).all()
        assert 0 < tensor[1].sum() <= 1 + 1e-6
