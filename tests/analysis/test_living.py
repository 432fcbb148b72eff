"""What is said of a matrix with zero rows and columns is what is said of the rest of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import htmu_diag
from htmu_diag.analysis import Diagnosis, Options, diagnose
from htmu_diag.solvers import exact_spectrum
from htmu_diag.spectrum import Kind, Source, Spectrum
from htmu_diag.theory import Phase

FAST = Options(bootstrap=0)


def noise(shape: tuple[int, int] = (256, 512), seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def diagnosed(matrix: torch.Tensor) -> Diagnosis:
    return diagnose(exact_spectrum(matrix, Source(Kind.WEIGHTS, "w", tuple(matrix.shape))), FAST)  # type: ignore[arg-type]


@pytest.mark.parametrize("columns", [20, 100])
@pytest.mark.parametrize("turned", [False, True])
def test_noise_with_zero_columns_is_noise_of_what_is_left(columns: int, turned: bool) -> None:
    matrix = noise()
    matrix[:, 7 : 7 + columns] = 0
    found = diagnosed(matrix.mT if turned else matrix)
    assert found.phase.phase is Phase.RANDOM_LIKE
    assert found.phase.reason.endswith(f"{columns} of 512 {'rows' if turned else 'columns'} are zero, left out")
    assert found.htmp is not None
    assert found.htmp.noise
    assert found.numbers["gamma"] == 256 / (512 - columns)


def test_the_fits_are_those_of_the_matrix_without_its_zeros() -> None:
    rest = noise((120, 300)) * torch.linspace(0.2, 3, 120)[:, None]
    whole = torch.zeros(130, 400)
    whole[5:125, 50:350] = rest
    one, other = diagnosed(whole).numbers, diagnosed(rest).numbers
    for name in ("kappa", "bulk_p", "htmp_ks", "alpha", "alpha_noise", "law_ks", "gap_ratio_z", "gamma"):
        assert one[name] == pytest.approx(other[name], rel=1e-6), name
    assert one["bulk_scale"] == pytest.approx(other["bulk_scale"] * 300 / 400)


def test_a_pruned_matrix_has_collapsed_and_its_reason_says_what_lives() -> None:
    matrix = noise()
    matrix[:100] = 0
    found = diagnosed(matrix)
    assert found.phase.phase is Phase.RANK_COLLAPSE
    assert "100 of 256 rows are zero; what lives, 156 x 512, is random-like" in found.phase.reason


def test_a_low_rank_beside_zero_columns_is_that_of_what_lives() -> None:
    matrix = noise((100, 40)) @ noise((40, 300), 1)
    matrix[:, :30] = 0
    found = diagnosed(matrix)
    assert found.phase.phase is Phase.RANK_COLLAPSE
    assert found.phase.reason.startswith("60 % of the eigenvalues are near zero")


def test_copies_are_told() -> None:
    matrix = noise()
    matrix[3] = matrix[4]
    assert diagnosed(matrix).phase.reason.endswith("1 of 256 rows is a copy of another")


def test_counts_that_cannot_be_are_no_reason_to_fail() -> None:
    source = Source(Kind.WEIGHTS, "w", (60, 90))
    values = np.linalg.svd(noise((60, 90)).numpy(), compute_uv=False) ** 2 / 90
    for count in (60.0, 1e9, -3.0, float("nan")):
        found = diagnose(Spectrum.exact(values, source, scalars={"zero_rows": count}), FAST)
        assert found.phase.phase is Phase.RANDOM_LIKE


def test_a_run_says_live_and_from_its_files_what_an_analysis_says(tmp_path: Path) -> None:
    layer = torch.nn.Linear(90, 60, bias=False)
    with torch.no_grad():
        layer.weight[:, :20] = 0
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.0)
    seen: list[Diagnosis] = []
    with htmu_diag.watch(layer, optimizer, log_dir=tmp_path, sinks=[], options=FAST):
        pass
    seen = list(htmu_diag.load_run(tmp_path).diagnose(0).diagnoses)
    stored = htmu_diag.load_run(tmp_path).records(fit=False)
    (offline,) = htmu_diag.analyze(layer, options=FAST).diagnoses
    assert seen[0].numbers["zero_columns"] == 20
    assert seen[0].numbers["kappa"] == offline.numbers["kappa"]
    assert [r.readings[0].reason for r in stored] == [seen[0].phase.reason] == [offline.phase.reason]
