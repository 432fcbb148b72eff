"""Sums of central Marchenko-Pastur quantiles by twelve nodes, beside the 65 quantiles themselves."""

import numpy as np
import pytest

from htmu_diag.laws.central_angles import CENTRAL, CentralQuantiles, angles_at, mass_below, nodes
from htmu_diag.laws.marchenko_pastur import central_quantiles, share_below

RATIOS = [1.0, 0.9999, 0.97, 0.5, 0.1, 0.0099, 0.0101, 1e-6]


@pytest.mark.parametrize("gamma", RATIOS)
def test_twelve_nodes_give_the_sum_of_the_65_quantiles(gamma: float) -> None:
    found = CentralQuantiles(np.sqrt([gamma])).sums()[0]
    assert found == pytest.approx(central_quantiles(CENTRAL, gamma).sum(), rel=1e-13)


@pytest.mark.parametrize("gamma", RATIOS)
@pytest.mark.parametrize(("share", "strength"), [(0.02, 0.95), (0.3, 0.5), (0.95, 0.99)])
def test_the_sum_at_levels_that_spikes_have_moved_too(gamma: float, share: float, strength: float) -> None:
    def moved(y: np.ndarray) -> np.ndarray:
        turn = np.exp(1j * np.arccos(np.clip((1 + gamma - y) / (2 * np.sqrt(gamma)), -1, 1)))
        return share * np.angle(1 + strength * turn) / np.pi

    every, some = (central_quantiles(levels, gamma) for levels in (CENTRAL, nodes().levels))
    found = CentralQuantiles(np.sqrt([gamma])).sums_below(moved(some)[None])[0]
    assert found == pytest.approx(central_quantiles(CENTRAL - moved(every), gamma).sum(), rel=1e-12)


@pytest.mark.parametrize("start", [0.3, 1.5, 3.0])
def test_levels_far_from_the_start_are_found(start: float) -> None:
    r = np.repeat(np.sqrt(RATIOS)[:, None], 25, axis=1)
    levels = np.broadcast_to(np.linspace(0.01, 0.99, 25), r.shape)
    theta = angles_at(levels, np.full(r.shape, start), r)
    np.testing.assert_allclose(mass_below(theta, np.sin(theta), np.cos(theta), r), levels, atol=1e-13)
    for i, gamma in enumerate(RATIOS):
        y = 1 + gamma - 2 * np.sqrt(gamma) * np.cos(theta[i])
        np.testing.assert_allclose(share_below(y, gamma), levels[i], atol=1e-11)


def test_a_law_is_computed_the_same_beside_any_others() -> None:
    r, moved = np.sqrt(RATIOS), np.random.default_rng(0).uniform(0, 0.2, (len(RATIOS), 12))
    together = CentralQuantiles(r)
    alone = [CentralQuantiles(r[i : i + 1]) for i in range(r.size)]
    assert together.sums().tolist() == [each.sums()[0] for each in alone]
    one_by_one = [each.sums_below(moved[i : i + 1])[0] for i, each in enumerate(alone)]
    assert together.sums_below(moved).tolist() == one_by_one
