"""The product of matrices is the likelihood, and its top is that of all shapes and scales tried one by one."""

import numpy as np
import pytest

from htmu_diag.fits.law_rows import FAMILIES, Family
from htmu_diag.fits.law_search import Sample, _between, likeliest, likeliest_of_all
from htmu_diag.laws.ensembles import beta_laguerre

GAMMA = 0.25
BY_NAME = {family.name: family for family in FAMILIES}
SHAPED = [family for family in FAMILIES if family.parameter]


def logs(name: str) -> np.ndarray:
    rng = np.random.default_rng(5)
    if name == "tail":
        return np.log(np.sort(rng.pareto(1.5, 120) + 1))
    spikes = [40.0, 90.0] if name == "spikes" else []
    return np.log(np.append(beta_laguerre(120, GAMMA, 3.0, rng=rng), spikes))


@pytest.mark.parametrize("name", ["HTMP", "Gamma"])
@pytest.mark.parametrize("look", ["coarse", "fine"])
def test_the_product_is_the_likelihood_at_every_shift(name: str, look: str) -> None:
    family, sample = BY_NAME[name], Sample.of(logs("bulk"))
    heights = getattr(sample, look)
    rows = [family.row(GAMMA, 4), family.row(GAMMA, 5)]
    found = heights.over(rows, -16)
    for row, line in zip(rows, found, strict=True):
        shifts = -16 + heights.stride * np.arange(heights.shifts)
        one_by_one = sample.at(row, np.array([heights.scale(row, shift) for shift in shifts]))
        np.testing.assert_allclose(line, one_by_one, atol=0.02 if look == "fine" else 0.5)
        assert np.abs(line[1:] - one_by_one[:-1]).max() > 0.05


def test_reciprocals_are_the_mirrored_sample() -> None:
    t = logs("spikes")
    one, other = Sample.of(t).mirrored, Sample.of(-t[::-1])
    row = BY_NAME["HTMP"].row(GAMMA, 6)
    for look in ("coarse", "fine"):
        mirrored, made = getattr(one, look), getattr(other, look)
        np.testing.assert_allclose(mirrored.over([row], -16), made.over([row], -16), atol=2e-3)
        assert mirrored.scale(row, 7.0) == pytest.approx(made.scale(row, 7.0), abs=1e-12)


@pytest.mark.parametrize("family", SHAPED, ids=[family.name for family in SHAPED])
@pytest.mark.parametrize("name", ["bulk", "spikes", "tail"])
def test_no_shape_and_scale_of_the_grid_is_likelier(name: str, family: Family) -> None:
    sample = Sample.of(logs(name))
    sample = sample.mirrored if family.mirrored else sample
    found, best = likeliest(sample, family, GAMMA), -np.inf
    for place in range(family.low, family.high + 1):
        row = family.row(GAMMA, place)
        scales = sample.fine.scale(row, 0.0) + sample.fine.step * np.arange(-160, 161, 2)
        best = max(best, sample.at(row, scales).max())
    assert -0.15 < found.height - best < 0.6


def test_between_the_shapes_the_top_of_a_parabola_is_found() -> None:
    place, gained = _between([-((k - 3.3) ** 2) for k in range(7)], 3)
    assert place == pytest.approx(0.3, abs=1e-6)
    assert gained == pytest.approx(0.09, abs=1e-6)


def test_a_kink_of_the_profile_lifts_no_top() -> None:
    """Seven heights of a law with edges, of which the polynomial makes 3.1 more than the highest."""
    place, gained = _between([-412.5, -400.6, -384.8, -381.0, -382.2, -376.8, -379.5], 5)
    assert gained < 0.2
    assert 1.5 < place < 2.5


@pytest.mark.parametrize("name", ["bulk", "spikes", "tail"])
def test_laws_that_are_looked_at_together_are_those_looked_at_alone(name: str) -> None:
    upright = Sample.of(logs(name))
    samples = [(upright.mirrored if family.mirrored else upright, family) for family in FAMILIES]
    together = likeliest_of_all(samples, GAMMA)
    for (sample, family), found in zip(samples, together, strict=True):
        alone = likeliest(sample, family, GAMMA)
        assert (found.place, found.scale, found.height) == (alone.place, alone.scale, alone.height)
        np.testing.assert_array_equal(found.levels, alone.levels)
