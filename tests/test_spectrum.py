"""A spectrum is a point measure of known mass; it refuses what it cannot be."""

import pickle

import numpy as np
import pytest

from htmu_diag.errors import InputError
from htmu_diag.spectrum import Estimator, Kind, Source, Spectrum

SOURCE = Source(Kind.WEIGHTS, "fc1.weight", (3, 8), step=7, unit="eigenvalues of W W^T / max(shape)")


def test_an_exact_spectrum_has_mass_one_and_the_operators_trace() -> None:
    spectrum = Spectrum.exact([3.0, 1.0, 2.0], SOURCE)
    assert spectrum.mass == pytest.approx(1.0, abs=1e-15)
    assert spectrum.trace() == pytest.approx(6.0, rel=1e-15)
    assert spectrum.values.tolist() == [1.0, 2.0, 3.0]


def test_a_top_k_spectrum_says_that_it_is_censored_and_keeps_its_mass() -> None:
    spectrum = Spectrum.top_k([5.0, 9.0], 100, SOURCE)
    assert spectrum.is_censored
    assert spectrum.mass == pytest.approx(0.02)


def test_sorting_carries_the_masses_along() -> None:
    spectrum = Spectrum(np.array([2.0, 1.0]), np.array([0.75, 0.25]), 50, SOURCE, Estimator("quadrature"))
    assert spectrum.masses.tolist() == [0.25, 0.75]
    assert spectrum.moment(1) == pytest.approx(1.75)


def test_quadrature_nodes_are_refused_as_a_sample() -> None:
    spectrum = Spectrum(np.array([1.0, 2.0]), np.array([0.5, 0.5]), 50, SOURCE, Estimator("quadrature"))
    with pytest.raises(InputError, match=r"fc1.weight .*not eigenvalues"):
        spectrum.sample()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_values_are_refused_by_the_layers_name(bad: float) -> None:
    with pytest.raises(InputError, match=r"fc1\.weight \(weights, step 7\): 1 of 2 values are NaN or infinite"):
        Spectrum.exact([1.0, bad], SOURCE)


def test_a_spectrum_cannot_be_changed_through_its_arrays() -> None:
    original = np.array([1.0, 2.0])
    spectrum = Spectrum.exact(original, SOURCE)
    with pytest.raises(ValueError, match="read-only"):
        spectrum.values[0] = 5.0
    assert original.flags.writeable


def test_more_values_than_the_dimension_are_refused() -> None:
    with pytest.raises(InputError, match="dimension 1"):
        Spectrum.top_k([1.0, 2.0], 1, SOURCE)


def test_the_former_name_of_masses_still_works_and_says_the_new_one() -> None:
    with pytest.warns(DeprecationWarning, match="masses"):
        old = Spectrum(values=np.array([1.0]), weights=np.array([0.5]), dimension=2, source=SOURCE)  # type: ignore[call-arg]
    with pytest.warns(DeprecationWarning, match="masses"):
        assert old.weights.tolist() == [0.5]
    assert pickle.loads(pickle.dumps(old)).masses.tolist() == [0.5]


@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (0, 0)])
def test_a_matrix_without_entries_has_no_spectrum(shape: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="from 1 on"):
        Source(Kind.WEIGHTS, "w", shape)
