"""Densities under a limit of memory: what is kept, what it costs, and that the user is told."""

import warnings

import numpy as np
import pytest
import torch
from scipy.stats import wasserstein_distance

from htmu_diag.solvers import density as density_module
from htmu_diag.solvers import halved, tridiagonal
from htmu_diag.solvers.run_lengths import planned
from htmu_diag.solvers.tridiagonal import lanczos, start_vector
from tests.solvers.test_density import density, heavy, operator, rng

ROW = 600 * 8  # bytes of a vector of `heavy`


@pytest.mark.parametrize("steps", [8, 12])
def test_a_run_of_k_steps_has_the_first_2k_moments_of_its_start(steps: int) -> None:
    of = operator(torch.linspace(-1, 1, 200, dtype=torch.float64) ** 3)
    v = start_vector(of, rng(3))
    theta, vectors = lanczos(of, steps=steps, v0=v).ritz()
    power = v
    for j in range(2 * steps):
        assert vectors[0] ** 2 @ theta**j == pytest.approx(float(v @ power), rel=1e-10, abs=1e-14)
        power = of.matvec(power)
    assert vectors[0] ** 2 @ theta ** (2 * steps) != pytest.approx(float(v @ power), rel=1e-10, abs=1e-14)


@pytest.mark.filterwarnings("ignore:.*memory_limit")
@pytest.mark.parametrize("rows", [22, 29, 33, 38, 41, 50])
def test_what_is_kept_of_a_basis_is_within_the_limit(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    inner = tridiagonal.empty_rows

    def noted(count: int, size: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
        made.append(count * size / 600 * dtype.itemsize / 8)
        return inner(count, size, dtype, device)

    for module in (tridiagonal, halved):
        monkeypatch.setattr(module, "empty_rows", noted)
    monkeypatch.setattr(halved, "_COLUMNS", (64, 64))  # 2^14 otherwise: all of so short rows
    routine = density(operator(heavy()), steps=40, probes=2, memory_limit=rows * ROW).estimator.routine
    assert "selective" in routine
    assert max(made) + int(routine.split(", ")[2].split()[0]) + 1 <= rows


@pytest.mark.parametrize("halves", [False, True])
@pytest.mark.parametrize("rows", [*range(15, 60, 3), 75, 76, 10**6])
def test_all_products_are_spent_and_the_longest_runs_come_first(rows: int, halves: bool) -> None:
    runs = planned(40, 2, 600, rows, "selective", refine=True, halves=halves)
    assert sum(runs.lengths) + runs.singles == 80
    held = 18 + 2 if halves else 35
    assert (runs.lengths == [35, 35]) == (runs.policy == "none" or rows >= held + 6 + 18)
    assert (rows < runs.least) == (runs.policy == "none" or runs.lengths != [35, 35])
    longest = max(runs.lengths)
    assert runs.room <= rows - 6 - (-(-longest // 2) + 2 if runs.halved else longest) or runs.policy == "none"
    assert runs.halved == (halves and runs.policy != "none" and rows < 35 + 6 + 35)


@pytest.mark.parametrize("halves", [False, True])
def test_more_memory_never_means_shorter_runs_or_less_room_for_outliers_than_a_sixth(halves: bool) -> None:
    least = 19 if halves else 25
    runs = [planned(64, 4, 10**4, rows, "selective", refine=True, halves=halves) for rows in range(least, 400)]
    kept = [max(each.lengths) for each in runs if each.policy != "none"]
    assert kept == sorted(kept)
    assert all(each.room >= max(each.lengths) / 6 for each in runs if each.policy != "none")
    assert kept[0] == 16
    assert kept[-1] == 56


def test_starts_drawn_again_are_the_same_directions() -> None:
    of, generator = operator(heavy()), rng(8)
    before = generator.get_state()
    first = start_vector(of, generator)
    assert torch.equal(density_module._drawn_again(of, before), first)
    assert not torch.equal(start_vector(of, generator), first)


@pytest.mark.filterwarnings("ignore:.*memory_limit")
def test_shorter_runs_that_keep_a_basis_are_nearer_to_the_spectrum_than_whole_runs_without() -> None:
    values, of = heavy(), operator(heavy())

    def error(seed: int, **options: object) -> float:
        found = density(of, steps=40, probes=2, rng=rng(seed), **options)
        return float(wasserstein_distance(found.values, values, found.masses))

    shorter = [error(seed, memory_limit=22 * ROW) for seed in range(5)]
    without = [error(seed, reorthogonalize="none") for seed in range(5)]
    assert np.median(shorter) < np.median(without) / 2


@pytest.mark.parametrize("limit", [0, 1])
def test_a_limit_that_holds_no_basis_is_told_once(limit: int) -> None:
    of = operator(heavy())
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")
        for seed in range(3):
            density(of, steps=40, probes=2, memory_limit=limit, rng=rng(seed))
    least = planned(40, 2, 600, 0, "selective", refine=True, halves=True).least
    assert [str(w.message) for w in told] == [
        f"htmu_diag: model (hessian): memory_limit={limit} bytes holds no Lanczos basis: W1 over mean "
        f"|eigenvalue| 0.16, and 0.09 from {least * ROW} bytes on, which hold one (four networks, 64 products)"
    ]


def test_who_asks_for_no_basis_is_not_warned() -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        density(operator(heavy()), steps=40, probes=2, reorthogonalize="none", memory_limit=0)
    assert not told
