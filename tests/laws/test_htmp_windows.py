"""The nodes beside many points, found by cells of one width, are those that halving finds."""

from __future__ import annotations

import numpy as np
import pytest

from htmu_diag.laws.htmp_lattice import lattice
from htmu_diag.laws.htmp_windows import Windows


@pytest.mark.parametrize("gamma", [0.01, 0.1, 0.25, 0.8, 1.0])
def test_the_first_node_beyond_a_point_is_the_same_by_cells_and_by_halving(gamma: float) -> None:
    """Anywhere, at a node, just beside one, and below and above the cells."""
    tables = Windows(gamma, lattice(gamma))
    nodes, rng = tables.lattice.nodes, np.random.default_rng(0)
    inside = nodes[(nodes > -15.9) & (nodes < 3.9)]
    t = np.concatenate([inside, np.nextafter(inside, -99), np.nextafter(inside, 99), rng.uniform(-15.9, 3.9, 20_000)])
    for some in (t, np.append(t, -600.0), np.append(t, 9.0), np.append(t, np.nan), t[:50]):
        assert np.array_equal(tables.beyond(some), nodes.searchsorted(some, "right"))
