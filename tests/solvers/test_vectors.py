"""Singular vectors as numbers: Haar, localised, block and turned ones."""

import math

import numpy as np
import pytest
import torch

from htmu_diag.analysis.causes import cause_numbers
from htmu_diag.errors import MeasurementError
from htmu_diag.solvers.vectors import TopVectors, vector_scalars
from htmu_diag.spectrum import Kind, Source, Spectrum


def _noise(rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((rows, columns)))


def _with_z(matrix: torch.Tensor) -> dict[str, float]:
    scalars = vector_scalars(matrix)
    source = Source(Kind.WEIGHTS, "w", (matrix.shape[0], matrix.shape[1]))
    return {**scalars, **cause_numbers(Spectrum.exact([1.0, 2.0], source, scalars=scalars))}


@pytest.mark.parametrize("shape", [(256, 300), (300, 256), (200, 200)])
def test_vectors_of_noise_have_the_entropy_of_random_ones(shape: tuple[int, int]) -> None:
    scores = []
    for seed in range(4):
        found = _with_z(_noise(*shape, seed=seed))
        scores += [value for name, value in found.items() if name.endswith("_z")]
    assert len(scores) == 24
    assert abs(sum(scores) / 24) < 0.8
    assert max(map(abs, scores)) < 4


def test_a_localised_spike_lacks_the_logarithm_of_what_it_leaves_out() -> None:
    """k of n entries: log(n/k), on the side where it is localised, among the top vectors only."""
    u = torch.zeros(256, dtype=torch.float64)
    u[:16] = _noise(16, 1).squeeze()
    v = _noise(300, 1, seed=1).squeeze()
    spike = 200 * torch.outer(u / u.norm(), v / v.norm())
    noise = _noise(256, 300, seed=2)
    clean = vector_scalars(spike + 1e-3 * noise)
    assert clean["vectors"] == 13
    one = vector_scalars(spike + noise)  # thirteen vectors in the group, one of them localised
    assert one["entropy_left_top"] * 13 == pytest.approx(math.log(256 / 16), rel=0.4)
    assert abs(one["entropy_right_top"]) < 0.05
    assert abs(one["entropy_left_middle"]) < 0.1
    assert _with_z(spike + noise)["entropy_left_top_z"] > 8
    turned = vector_scalars((spike + noise).mT)
    assert turned["entropy_right_top"] == pytest.approx(one["entropy_left_top"], rel=1e-6)


@pytest.mark.parametrize("blocks", [2, 4])
def test_vectors_of_block_matrices_lack_the_logarithm_of_the_number_of_blocks(blocks: int) -> None:
    side = 256 // blocks
    matrix = torch.block_diag(*(_noise(side, side, seed=b) for b in range(blocks)))
    found = vector_scalars(matrix)
    for name in ("entropy_left_top", "entropy_right_middle", "entropy_left_bottom"):
        assert found[name] == pytest.approx(math.log(blocks), abs=0.12)


def test_overlaps_are_one_where_nothing_turned_and_chance_where_everything_did() -> None:
    memory = TopVectors()
    first = _noise(200, 240)
    assert "overlap_last" not in vector_scalars(first, "w", memory)
    again = vector_scalars(2 * first, "w", memory)
    assert again["overlap_last"] == pytest.approx(1)
    other = vector_scalars(_noise(200, 240, seed=9), "w", memory)
    chance = (10 / 200 + 10 / 240) / 2
    assert other["overlap_last"] == pytest.approx(chance, abs=0.03)
    assert other["overlap_start"] == pytest.approx(chance, abs=0.03)
    back = vector_scalars(first, "w", memory)
    assert back["overlap_start"] == pytest.approx(1)
    assert back["overlap_last"] < 0.2


def test_a_matrix_without_vectors_says_nothing_and_a_diverged_one_says_so() -> None:
    assert vector_scalars(torch.zeros(5, 6)) == {}
    with pytest.raises(MeasurementError, match="diverged"):
        vector_scalars(torch.full((5, 6), math.nan), "w")
