"""Rows and columns that are zero, or copies of others."""

from __future__ import annotations

import pytest
import torch

from htmu_diag.solvers import exact_spectra, exact_spectrum
from htmu_diag.solvers.rows_columns import zero_and_copied
from htmu_diag.spectrum import Kind, Source

WIDTHS = (torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.complex64)
FOUND = {"zero_rows": 2.0, "zero_columns": 6.0, "copied_rows": 2.0, "copied_columns": 1.0}
SWAPPED = {"rows": "columns", "columns": "rows"}


def damaged(dtype: torch.dtype = torch.float32, shape: tuple[int, int] = (129, 257)) -> torch.Tensor:
    matrix = torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(0))
    matrix[:, 3:9] = 0
    matrix[:, -1] = matrix[:, 20]
    matrix[5] = matrix[-1] = matrix[60]
    matrix[7], matrix[8] = 0, -0.0
    return matrix


@pytest.mark.parametrize("dtype", WIDTHS, ids=str)
def test_rows_and_columns_are_counted_in_every_precision_and_either_orientation(dtype: torch.dtype) -> None:
    matrix = damaged(dtype)
    assert zero_and_copied(matrix) == FOUND
    turned = {f"{name.split('_')[0]}_{SWAPPED[name.split('_')[1]]}": n for name, n in FOUND.items()}
    assert zero_and_copied(matrix.mT) == zero_and_copied(matrix.mT.contiguous()) == turned


def test_nothing_is_said_of_a_matrix_without_zeros_and_copies() -> None:
    assert zero_and_copied(torch.randn(60, 90, generator=torch.Generator().manual_seed(1)) * 1e-42) == {}
    assert zero_and_copied(torch.eye(30)) == {}


def test_blocks_of_a_long_matrix_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("htmu_diag.solvers.rows_columns._BLOCK", 1000)
    assert zero_and_copied(damaged()) == FOUND


@pytest.mark.parametrize("routine", ["gram", "svdvals", "auto"])
def test_a_spectrum_brings_the_counts_along_by_every_routine(routine: str) -> None:
    matrix = damaged()
    source = Source(Kind.WEIGHTS, "w", (129, 257))
    assert dict(exact_spectrum(matrix, source, routine=routine).scalars) == FOUND  # type: ignore[arg-type]
    assert [dict(each.scalars) for each in exact_spectra([matrix, matrix], [source, source])] == [FOUND, FOUND]


@pytest.mark.filterwarnings("error")
def test_entries_near_the_end_of_single_precision_are_counted() -> None:
    matrix = 1e37 * torch.randn(60, 90, generator=torch.Generator().manual_seed(0))
    matrix[7], matrix[:, 3] = matrix[8], 0.0
    assert zero_and_copied(matrix) == {"zero_columns": 1.0, "copied_rows": 1.0}
