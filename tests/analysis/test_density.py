"""The density on the one grid: its mass is the spectrum's, its law's mass the law's, its edges those of every run."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import integrate

from htmu_diag.analysis import Options, diagnose
from htmu_diag.analysis.densities import densities
from htmu_diag.analysis.density import DECADES, PER_DECADE, Density, coded, density, unpacked
from htmu_diag.analysis.shape import numerical_zero
from htmu_diag.laws.ensembles import beta_laguerre
from htmu_diag.spectrum import Estimator, Kind, Source, Spectrum

WEIGHTS = Source(Kind.WEIGHTS, "fc", (100, 400))
HESSIAN = Source(Kind.HESSIAN, "model", (4, 4))
QUICK = Options(bootstrap=0)


def found(spectrum: Spectrum) -> Density:
    result = density(diagnose(spectrum, QUICK))
    assert result is not None
    return result


def wishart(seed: int, scale: float = 1.0) -> Spectrum:
    matrix = np.random.default_rng(seed).standard_normal((100, 400))
    return Spectrum.exact(scale * np.linalg.eigvalsh(matrix @ matrix.T / 400), WEIGHTS)


def test_bins_are_whole_places_of_one_grid_whatever_the_spectrum() -> None:
    for scale in (1e-9, 1.0, 37.0):
        spectrum = wishart(0, scale)
        result = found(spectrum)
        first, last = result.first, result.first + result.mass.size - 1
        assert 10 ** (first / PER_DECADE) <= spectrum.values[0] < 10 ** ((first + 1) / PER_DECADE)
        assert 10 ** (last / PER_DECADE) <= spectrum.values[-1] < 10 ** ((last + 1) / PER_DECADE)


def test_what_is_stored_gives_the_density_back_and_so_do_files_of_earlier_versions() -> None:
    result = found(wishart(0, 1e-9))
    place, rows = unpacked(result.packed())
    assert (place, rows.dtype) == (result.first, np.float32)
    whole = np.stack([result.mass, result.other])
    assert rows == pytest.approx(whole, rel=4e-4, abs=1e-9)
    assert np.array_equal(coded(rows), result.packed()[:, 1:])  # coded again, nothing changes
    centers = 10.0 ** ((np.arange(place, place + result.mass.size) + 0.5) / PER_DECADE)
    for before in (np.vstack([centers, whole]), np.hstack([np.full((2, 1), place), whole])):
        assert unpacked(before.astype(np.float32))[0] == place
        assert np.array_equal(unpacked(before.astype(np.float32))[1], whole.astype(np.float32))


def test_values_lie_in_the_bin_that_holds_them() -> None:
    values = np.array([1.0001, 1.05, 2.0, 9.99])
    result = found(Spectrum.exact(values, WEIGHTS))
    edges = 10.0 ** (np.arange(result.first, result.first + result.mass.size + 1) / PER_DECADE)
    assert result.mass == pytest.approx(np.histogram(values, edges)[0] / 4)


def test_the_laws_row_is_the_integral_of_its_density_over_each_bin() -> None:
    diagnosis = diagnose(wishart(1), QUICK)
    result = density(diagnosis)
    assert result is not None
    assert diagnosis.htmp is not None
    assert diagnosis.htmp.law is not None
    edges = 10.0 ** (np.arange(result.first, result.first + result.mass.size + 1) / PER_DECADE)
    for place in (0, result.mass.size // 2, result.mass.size - 1):
        area, _ = integrate.quad(lambda x: float(diagnosis.htmp.law.pdf(x)), edges[place], edges[place + 1])
        assert result.other[place] == pytest.approx(area, rel=1e-3, abs=1e-6)
    assert result.other.sum() == pytest.approx(1.0, abs=0.02)  # what lies beyond the data's bins is not drawn


def test_zeros_are_left_out_and_missed_in_both_masses() -> None:
    spectrum = wishart(2)
    half = Spectrum.exact(np.concatenate([np.zeros(100), spectrum.values]), Source(Kind.WEIGHTS, "fc", (200, 400)))
    result = found(half)
    assert result.mass.sum() == pytest.approx(0.5)
    assert 0.3 < np.nansum(result.other) <= 0.5 + 1e-9  # the law of a shape that is not theirs reaches further


def test_a_law_that_has_values_where_rounding_took_them_is_drawn_in_full() -> None:
    """Of 150 values of the square law at kappa 2 some lie below rounding; the law was fitted with them as zeros."""
    values = beta_laguerre(150, 1.0, 2.0, rng=np.random.default_rng(7))
    diagnosis = diagnose(Spectrum.exact(values, Source(Kind.WEIGHTS, "fc", (150, 150))), QUICK)
    result = density(diagnosis)
    assert result is not None
    assert diagnosis.htmp is not None
    assert diagnosis.htmp.law is not None
    assert result.mass.sum() < 0.98
    edges = 10.0 ** (np.arange(result.first, result.first + result.mass.size + 1) / PER_DECADE)
    lost = numerical_zero(150, values.max())
    foretold = float(diagnosis.htmp.law.cdf(lost))
    assert 0.01 < foretold < 0.06
    drawn = np.diff(diagnosis.htmp.law.cdf(edges)) * result.mass.sum() / (1 - foretold)
    assert result.other == pytest.approx(drawn, rel=1e-9)


def test_six_decades_are_kept_and_the_lowest_bin_takes_what_lies_below() -> None:
    values = np.concatenate([np.geomspace(1e-12, 1e-7, 40), np.geomspace(1e-5, 1.0, 60)])
    result = found(Spectrum.exact(values, WEIGHTS))
    assert result.mass.size == DECADES * PER_DECADE
    assert result.mass[0] == pytest.approx(0.4)
    assert result.mass.sum() == pytest.approx(1.0)


def test_a_hessian_has_the_mass_of_both_signs_by_magnitude() -> None:
    nodes, masses = np.array([-2.0, -1e-3, 1e-4, 5.0]), np.array([0.1, 0.4, 0.3, 0.2])
    result = found(Spectrum(nodes, masses, 10**6, HESSIAN, Estimator("quadrature")))
    at = dict(zip(np.arange(result.first, result.first + result.mass.size), result.other, strict=True))
    assert result.mass.sum() == pytest.approx(0.5)
    assert result.other.sum() == pytest.approx(0.5)
    assert at[np.floor(np.log10(2.0) * PER_DECADE)] == pytest.approx(0.1)


def test_eigenvalues_that_a_rule_knows_one_by_one_have_rows_of_their_own() -> None:
    nodes, single = np.array([-7.0, -3.0, -1.0, 1e-3, 2.0, 4.0, 4.1, 9.0]), 1e-6
    masses = np.array([single, single, 0.3, 0.4, single, single, single, single])
    masses[3] += 1.0 - masses.sum()
    result = found(Spectrum(nodes, masses, 10**6, HESSIAN, Estimator("quadrature")))
    place, rows = unpacked(result.packed())
    assert (place, len(rows)) == (result.first, 4)
    where = [np.flatnonzero(row) + place for row in rows[2:]]
    assert where[0].tolist() == sorted({int(np.floor(np.log10(x) * PER_DECADE)) for x in (2.0, 4.0, 4.1, 9.0)})
    assert where[1].tolist() == sorted({int(np.floor(np.log10(x) * PER_DECADE)) for x in (3.0, 7.0)})
    assert rows[2].sum() == pytest.approx(4e-6)
    assert diagnose(Spectrum(nodes, masses, 10**6, HESSIAN, Estimator("quadrature")), QUICK).numbers["outliers"] == 6


def test_a_rule_that_knows_every_eigenvalue_has_no_outliers() -> None:
    whole = Spectrum(np.array([-1.0, 2.0]), np.array([0.5, 0.5]), 2, HESSIAN, Estimator("quadrature"))
    assert diagnose(whole, QUICK).numbers["outliers"] == 0


@pytest.mark.parametrize("values", [[], [0.0], [0.0, 0.0], [-1.0, 0.0]])
def test_there_is_no_density_without_a_positive_value(values: list[float]) -> None:
    assert density(diagnose(Spectrum.exact(values, WEIGHTS), QUICK)) is None


def test_without_a_fitted_law_its_row_has_no_value() -> None:
    assert np.isnan(found(Spectrum.exact([3.0], WEIGHTS)).other).all()


@settings(deadline=None, max_examples=50)
@example(np.array([-5e-324]))
@example(np.array([5e-324, 1e300]))
@given(arrays(np.float64, st.integers(1, 50), elements=st.floats(-1e30, 1e30)))
def test_any_values_give_finite_bins_with_at_most_their_mass(values: np.ndarray) -> None:
    result = density(diagnose(Spectrum.exact(values, HESSIAN), QUICK))
    if result is not None:
        assert np.isfinite(result.packed()).all()
        assert 0 < result.mass.sum() + result.other.sum() <= 1 + 1e-6
        assert result.mass.size <= DECADES * PER_DECADE


def test_densities_of_many_are_those_of_each() -> None:
    """To the last bit: with a law, a floor, zeros, without a law, signed, empty."""
    rng = np.random.default_rng(0)
    zeros = np.append(np.zeros(30), wishart(1).values[30:])
    spectra = [wishart(0), Spectrum.exact(zeros, WEIGHTS), Spectrum.exact(np.zeros(4), WEIGHTS), wishart(2, 1e-6)]
    spectra += [Spectrum.exact(rng.normal(size=50), HESSIAN), Spectrum.exact(rng.gamma(0.3, size=80), WEIGHTS)]
    known = [diagnose(spectrum, QUICK) for spectrum in spectra]
    alone = [density(replace(diagnosis)) for diagnosis in known]
    for one, many in zip(alone, densities(known), strict=True):
        if one is None or many is None:
            assert one is many
        else:
            assert one.first == many.first
            np.testing.assert_array_equal(one.mass, many.mass)
            np.testing.assert_array_equal(one.other, many.other)
    assert [density(diagnosis) for diagnosis in known] == densities(known)  # those at hand
