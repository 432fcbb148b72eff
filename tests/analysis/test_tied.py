"""Pairs of equal eigenvalues are told: no matrix of random entries has them."""

import numpy as np
import pytest
import scipy

from htmu_diag.analysis import Options, diagnose
from htmu_diag.analysis.tied import tied_words, tied_words_of
from htmu_diag.spectrum import Kind, Source, Spectrum

RNG = np.random.default_rng(0)


def reason(matrix: np.ndarray) -> str:
    values = np.linalg.svd(matrix, compute_uv=False) ** 2 / max(matrix.shape)
    spectrum = Spectrum.exact(values, Source(Kind.WEIGHTS, "w", matrix.shape))  # type: ignore[arg-type]
    return diagnose(spectrum, Options(bootstrap=0)).phase.reason


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_singular_values_of_a_circulant_and_an_antisymmetric_matrix_are_pairs(dtype: type) -> None:
    square = RNG.standard_normal((90, 90)).astype(dtype)
    assert "88 of 90 eigenvalues are equal to a neighbour" in reason(scipy.linalg.circulant(square[0]))
    assert "90 of 90 eigenvalues are equal to a neighbour" in reason(square - square.T)


def test_noise_heavy_tails_and_equal_values_are_not_told_as_pairs() -> None:
    for matrix in (RNG.standard_normal((90, 120)), RNG.standard_t(1.5, (90, 90)), np.eye(60)):
        assert "neighbour" not in reason(matrix)
    assert tied_words(np.array([])) == ""


def test_of_many_each_is_told_its_own() -> None:
    """Those of two spectra that follow each other are no pair, empty ones are none."""
    pairs, apart = np.repeat(np.arange(1.0, 20), 2), np.arange(1.0, 40)
    spectra = [apart, pairs, np.array([]), 39 + apart, pairs[:1], np.array([])]
    assert tied_words_of(spectra) == [tied_words(values) for values in spectra] == ["", tied_words(pairs), *[""] * 4]
    assert tied_words(pairs) != ""
