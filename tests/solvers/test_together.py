"""Many matrices at once: each spectrum is the one that it has alone, to the last bit, whatever is beside it."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from htmu_diag import stacked
from htmu_diag.errors import MeasurementError
from htmu_diag.solvers import exact_spectra, exact_spectrum
from htmu_diag.solvers.stacks import stackable, stacked_spectra
from htmu_diag.spectrum import Kind, Source, Spectrum

SHAPES = [(1, 7), (5, 1), (6, 15), (64, 64), (65, 128), (128, 128), (128, 300), (300, 40)]


def made(shape: tuple[int, int], count: int, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    return [torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype) for seed in range(count)]


def sources(matrices: Sequence[torch.Tensor]) -> list[Source]:
    return [Source(Kind.WEIGHTS, f"w{i}", (m.shape[0], m.shape[1])) for i, m in enumerate(matrices)]


def same(one: Spectrum, other: Spectrum) -> bool:
    values = one.values.tobytes() == other.values.tobytes()
    return values and (one.estimator, one.source, dict(one.scalars)) == (
        other.estimator,
        other.source,
        dict(other.scalars),
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_a_stack_gives_each_matrix_what_it_has_alone(shape: tuple[int, int], dtype: torch.dtype) -> None:
    matrices = made(shape, 19, dtype)
    matrices[3][:, 0] = 0.0
    matrices[4][-1] = matrices[4][0]
    matrices[5] = torch.zeros(shape, dtype=dtype)
    matrices[6] = matrices[6][:, :1].expand(shape).contiguous()
    assert all(map(stackable, matrices))
    shuffled = torch.randperm(len(matrices), generator=torch.Generator().manual_seed(1)).tolist()
    told = sources(matrices)
    alone = [exact_spectrum(matrix, source) for matrix, source in zip(matrices, told, strict=True)]
    together = exact_spectra([matrices[i] for i in shuffled], [told[i] for i in shuffled])
    assert all(same(alone[i], each) for i, each in zip(shuffled, together, strict=True))


def test_a_stack_is_as_deep_as_it_likes(monkeypatch: pytest.MonkeyPatch) -> None:
    matrices = made((12, 20), 9)
    whole = exact_spectra(matrices, sources(matrices))
    monkeypatch.setattr(stacked, "_TOGETHER", 500)
    assert all(map(same, whole, exact_spectra(matrices, sources(matrices))))


def test_what_is_stored_otherwise_is_measured_too() -> None:
    """Transposed in memory, or of different types: no stack, the same spectra to rounding."""
    matrices = [made((20, 12), 1)[0].T, made((12, 20), 2)[1], made((12, 20), 3, torch.float64)[2]]
    assert not stackable(matrices[0])
    for matrix, spectrum in zip(matrices, exact_spectra(matrices, sources(matrices)), strict=True):
        alone = exact_spectrum(matrix, sources(matrices)[0])
        np.testing.assert_allclose(spectrum.values, alone.values, rtol=1e-12)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e200])
def test_a_bad_matrix_is_named(bad: float) -> None:
    matrices = made((6, 9), 4, torch.float64)
    matrices[2][1, 1] = bad
    with pytest.raises(MeasurementError, match="w2"):
        exact_spectra(matrices, sources(matrices))


def test_where_one_does_not_converge_all_are_asked_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    matrices = made((6, 9), 4)
    alone = [exact_spectrum(m, s) for m, s in zip(matrices, sources(matrices), strict=True)]
    solver = np.linalg.eigvalsh

    def failing(symmetric: np.ndarray) -> np.ndarray:
        if symmetric.ndim > 2:
            raise np.linalg.LinAlgError("Eigenvalues did not converge")
        return solver(symmetric)

    monkeypatch.setattr(np.linalg, "eigvalsh", failing)
    assert all(map(same, alone, stacked_spectra(matrices, sources(matrices))))
