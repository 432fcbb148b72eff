"""Pieces of a run put together: densities on one grid, kinds in one order, and numbers that zeros do not change."""

import numpy as np
import pytest

from htmu_diag.analysis.assembled import Piece, joined_densities
from htmu_diag.analysis.causes import cause_numbers
from htmu_diag.analysis.density import density_of, rows_of
from htmu_diag.analysis.evidence import phase_evidence
from htmu_diag.analysis.outline import outline_of
from htmu_diag.analysis.quantities import QUANTITIES
from htmu_diag.fits import fit_marchenko_pastur, fit_power_law
from htmu_diag.laws import MarchenkoPastur
from htmu_diag.laws.free import LEAST_SIGMA, MOST_SIGMA
from htmu_diag.spectrum import Estimator, Kind, Source, Spectrum


def test_densities_of_two_steps_lie_on_the_grid_of_both() -> None:
    arrays = []
    for low, high in ((1.0, 10.0), (0.01, 3.0)):
        found = density_of(Spectrum.exact(np.geomspace(low, high, 50), Source(Kind.WEIGHTS, "w", (50, 90))))
        assert found is not None
        arrays.append(found.packed())
    about = {"layer": "w", "rows": ["mass", "law"]}
    joined = joined_densities([Piece(about, [3], arrays[:1]), Piece({}, [1], arrays[1:])])
    assert joined.steps == (1, 3)
    assert joined.about == about
    np.testing.assert_allclose(joined.rows[0].sum(axis=1), 1.0, atol=1e-4)
    first, second = (np.flatnonzero(row) for row in joined.rows[0])
    assert first[0] == 0
    assert second[-1] == joined.rows.shape[2] - 1


@pytest.mark.parametrize("first", ["before", "after"])
def test_a_run_that_another_version_goes_on_with_keeps_the_rows_that_it_began_with(first: str) -> None:
    nodes, masses = np.array([-2.0, -1e-3, 1e-4, 5.0]), np.array([0.1, 0.4, 0.5 - 1e-6, 1e-6])
    source = Source(Kind.HESSIAN, "model", (10**6, 10**6))
    found = density_of(Spectrum(nodes, masses, 10**6, source, Estimator("quadrature")))
    assert found is not None
    whole = found.packed()
    arrays = [whole[:2], whole] if first == "before" else [whole, whole[:2]]
    rows = rows_of(Kind.HESSIAN, quadrature=first == "after")
    joined = joined_densities([Piece({"layer": "model", "rows": list(rows)}, [1, 2], arrays)])
    assert (joined.names, len(joined.rows)) == (rows, 2 if first == "before" else 4)
    np.testing.assert_allclose(joined.rows[0].sum(axis=1), 0.5, atol=1e-5)


def test_weights_come_first_and_other_kinds_by_name() -> None:
    kinds = ("ntk", "weights", "hessian", "activations")
    about = [{"kind": kind, "what": "table", "layers": [{"name": "a"}], "quantities": ["x"]} for kind in kinds]
    found = outline_of("run", [(each, step) for step, each in enumerate(about)])
    assert list(found["kinds"]) == ["weights", "activations", "hessian", "ntk"]
    assert found["last"] == 3


def test_zeros_of_a_kernel_change_no_exponent_of_its_ranks() -> None:
    values = np.sort(np.arange(1.0, 101.0) ** -1.5)
    both = [
        cause_numbers(Spectrum.exact(each, Source(Kind.NTK, "m", (each.size, each.size))))
        for each in (values, np.concatenate([np.zeros(40), values]))
    ]
    assert both[0] == both[1]
    few = np.concatenate([np.zeros(40), values[-10:]])
    assert cause_numbers(Spectrum.exact(few, Source(Kind.NTK, "m", (50, 50)))) == {}
    assert both[0]["rank_exponent"] == pytest.approx(1.5, rel=1e-6)


@pytest.mark.parametrize("gamma", [0.1, 0.5, 0.9])
def test_noise_is_as_wide_as_noise(gamma: float) -> None:
    values = MarchenkoPastur(gamma).ppf(np.linspace(0, 1, 4001))
    found = phase_evidence(values, 0.0, fit_power_law(values), fit_marchenko_pastur(values, gamma), gamma, 5.0)
    assert found.width == pytest.approx(1.0, rel=1e-3)
    assert found.middle_width == pytest.approx(1.0, rel=1e-3)


def test_the_range_of_a_fitted_spread_is_that_of_its_search() -> None:
    assert (QUANTITIES["population_spread"].low, QUANTITIES["population_spread"].high) == (LEAST_SIGMA, MOST_SIGMA)
