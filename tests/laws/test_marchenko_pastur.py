"""Marchenko-Pastur: its transform, its atom, its edges, and the transposed matrix."""

import math

import numpy as np
import pytest
from scipy.integrate import quad

from htmu_diag.errors import InputError
from htmu_diag.laws import MarchenkoPastur


@pytest.mark.parametrize("gamma", [1e-3, 0.25, 1.0, 3.0])
def test_stieltjes_transform_solves_the_quadratic_equation(gamma: float) -> None:
    """gamma s z m**2 + (z + s (1 - gamma)) m = 1 for m = integral of 1/(x + z), z > 0."""
    law, z = MarchenkoPastur(gamma, 2.0), 0.7
    low, high = law.edges
    half = (high - low) / 2

    def arc(t: float) -> float:
        x = low + half * (1 - math.cos(t))
        return half * math.sin(t) * law.pdf(x) / (x + z)

    m = quad(arc, 0, math.pi, epsabs=1e-13, limit=300)[0] + law.atom / z
    assert 2.0 * gamma * z * m**2 + (z + 2.0 * (1 - gamma)) * m == pytest.approx(1.0, abs=1e-9)


def test_the_atom_counts_in_the_distribution_function_only() -> None:
    law = MarchenkoPastur(4.0, 2.0)
    assert law.atom == 0.75
    assert law.cdf(0.0) == law.cdf(1.0) == 0.75
    assert law.cdf(-1e-9) == 0.0
    assert law.sf(0.0) == pytest.approx(0.25)
    assert law.pdf(0.0) == law.pdf(1.0) == 0.0
    assert law.ppf(0.75) == law.ppf(0.1) == 0.0
    assert law.ppf(0.7501) > law.edges[0]


def test_the_nonzero_part_is_the_law_of_the_transposed_matrix() -> None:
    tall, flat = MarchenkoPastur(4.0), MarchenkoPastur(0.25, 4.0)
    x = np.linspace(*flat.edges, 50)[1:-1]
    assert np.allclose(tall.sf(x), 0.25 * flat.sf(x), rtol=1e-12, atol=1e-14)
    assert np.allclose(tall.pdf(x), 0.25 * flat.pdf(x), rtol=1e-12)


@pytest.mark.parametrize("gamma", [1e-8, 1e-2, 0.0099, 0.0101, 0.5, 1.0])
def test_both_formulas_for_the_mass_agree_with_quadrature_near_both_edges(gamma: float) -> None:
    law = MarchenkoPastur(gamma)
    low, high = law.edges
    half = (high - low) / 2
    arc = lambda t: half * math.sin(t) * law.pdf(low + half * (1 - math.cos(t)))  # noqa: E731
    for angle in (0.05, 1.0, 2.0, 3.0):
        mass = quad(arc, 0, angle, epsabs=1e-13, limit=200)[0]
        assert law.cdf(low + half * (1 - math.cos(angle))) == pytest.approx(mass, abs=1e-8 if gamma < 1e-6 else 1e-11)


def test_at_gamma_one_the_quarter_circle_law_holds_for_singular_values() -> None:
    sigma = np.linspace(0.1, 1.9, 10)
    density = 2 * sigma * MarchenkoPastur(1.0).pdf(sigma**2)
    assert np.allclose(density, np.sqrt(4 - sigma**2) / math.pi, rtol=1e-13)


@pytest.mark.parametrize("bad", [(0.0,), (-1.0,), (np.nan,), (np.inf,), (0.5, 0.0), (0.5, np.inf)])
def test_parameters_outside_the_domain_raise_with_the_reason(bad: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match=r"(gamma|scale) = .* is not positive"):
        MarchenkoPastur(*bad)
