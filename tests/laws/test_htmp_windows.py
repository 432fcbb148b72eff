"""Tables of neighbouring rows: made by blocks, kept for as many aspect ratios as a network has; nodes beside points."""

import numpy as np
import pytest

from htmu_diag.laws.htmp_lattice import lattice
from htmu_diag.laws.htmp_windows import DENSITY, LOWER, UPPER, Windows, windows


@pytest.mark.parametrize("gamma", [1.0, 0.25, 0.123])
@pytest.mark.parametrize("what", [DENSITY, LOWER, UPPER])
def test_a_block_has_the_same_bits_whatever_was_asked_for_before(gamma: float, what: int) -> None:
    number, blocks = 3, -(-lattice(gamma).nodes.size // 64)
    whole = Windows(gamma, lattice(gamma)).of(number, what, 0, blocks)
    pieces = Windows(gamma, lattice(gamma))
    for low, high in [(blocks - 2, blocks), (3, 5), (2, 9), (0, blocks - 1)]:
        assert pieces.of(number, what, low, high).tobytes() == whole[low:high].tobytes()


def test_slopes_at_the_nodes_are_those_of_parabolas() -> None:
    where = lattice(0.3).nodes
    of_the_rows = Windows(0.3, lattice(0.3)).of(2, DENSITY, 4, 6)
    second, third = of_the_rows[:, :64, 32:].reshape(128, 16), of_the_rows[:, 64:, 32:].reshape(128, 16)
    np.testing.assert_allclose(third[1:-1], np.gradient(second, where[256:384], axis=0)[1:-1], rtol=1e-4, atol=1e-4)


def test_a_network_of_a_hundred_aspect_ratios_finds_its_tables_again() -> None:
    ratios = [(k + 8) / 128 for k in range(100)]
    first = [windows(gamma) for gamma in ratios]
    assert all(windows(gamma) is tables for gamma, tables in zip(ratios, first, strict=True))


@pytest.mark.parametrize("gamma", [0.01, 0.1, 0.25, 0.8, 1.0])
def test_the_first_node_beyond_a_point_is_the_same_by_cells_and_by_halving(gamma: float) -> None:
    """Anywhere, at a node, just beside one, and below and above the cells."""
    tables = Windows(gamma, lattice(gamma))
    nodes, rng = tables.lattice.nodes, np.random.default_rng(0)
    inside = nodes[(nodes > -15.9) & (nodes < 3.9)]
    t = np.concatenate([inside, np.nextafter(inside, -99), np.nextafter(inside, 99), rng.uniform(-15.9, 3.9, 20_000)])
    for some in (t, np.append(t, -600.0), np.append(t, 9.0), np.append(t, np.nan), t[:50]):
        assert np.array_equal(tables.beyond(some), nodes.searchsorted(some, "right"))
