"""The broadened density is a picture of a spectrum with the same mass."""

import numpy as np
import pytest
from scipy.integrate import trapezoid

from htmu_diag.errors import InputError
from htmu_diag.report.broadened import broadened
from htmu_diag.spectrum import Estimator, Kind, Source, Spectrum

SOURCE = Source(Kind.HESSIAN, "model", (1000, 1000))


def rule(values: list[float], weights: list[float]) -> Spectrum:
    return Spectrum(np.array(values), np.array(weights), 1000, SOURCE, Estimator("quadrature"))


def test_the_curve_has_the_mass_of_the_spectrum_in_u() -> None:
    x, density = broadened(rule([-2.0, 0.0, 1e-3, 5.0], [0.1, 0.5, 0.3, 0.1]), linear=1e-4)
    u = np.arcsinh(x / 5e-4)
    assert trapezoid(density, u) == pytest.approx(1, abs=1e-3)
    assert trapezoid(density[x < -1], u[x < -1]) == pytest.approx(0.1, abs=1e-3)


def test_a_node_over_ten_decades_keeps_its_place() -> None:
    x, density = broadened(rule([1e-3, 1e3], [0.5, 0.5]), points=4000)
    peaks = x[1:-1][(density[1:-1] > density[:-2]) & (density[1:-1] > density[2:])]
    assert np.allclose(peaks, [1e-3, 1e3], rtol=0.02)


def test_an_empty_spectrum_is_refused() -> None:
    with pytest.raises(InputError, match="needs a value"):
        broadened(rule([], []))
