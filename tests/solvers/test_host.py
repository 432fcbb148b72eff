"""Matrices that are arrays have the spectra of tensors, to the last bit."""

import numpy as np
import pytest
import torch

from htmu_diag.model.torch_values import array_of
from htmu_diag.solvers import exact_spectrum
from htmu_diag.solvers.exact import of_values
from htmu_diag.solvers.gram import eigenvalues, gram
from htmu_diag.solvers.host import host_spectrum
from htmu_diag.solvers.stacks import host_spectra
from htmu_diag.spectrum import Kind, Source

SOURCE = Source(Kind.WEIGHTS, "w", (65, 128))
TYPES = [
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.float8_e4m3fn,
    torch.float8_e5m2,
    torch.int8,
]


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("cut", ["whole", "turned", "columns", "turned columns"])
def test_an_array_has_the_spectrum_of_the_products_of_its_tensor(dtype: torch.dtype, cut: str) -> None:
    """However it lies in memory: torch widens, numpy multiplies, as the solvers of a device do."""
    tensor = (torch.randn(65, 128, generator=torch.Generator().manual_seed(0)) * 3).to(dtype)
    tensor = tensor[:, 7:120] if "columns" in cut else tensor
    tensor = tensor.mT if "turned" in cut else tensor
    array = array_of(tensor)
    assert array is not None
    found = host_spectrum(array, SOURCE)
    values = eigenvalues(gram(tensor, torch.float64))
    assert found.values.tobytes() == of_values(values, tensor, SOURCE, "", {}).values.tobytes()
    assert found.values.tobytes() == exact_spectrum(tensor, SOURCE).values.tobytes()


def test_arrays_of_one_shape_have_together_what_they_have_alone() -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((20, 30)).astype(np.float32) for _ in range(4)]
    arrays[2][:, 1] = 0.0
    sources = [Source(Kind.WEIGHTS, str(i), (20, 30)) for i in range(4)]
    for own in (arrays, [array.T for array in arrays], [arrays[0], *(array.astype(float) for array in arrays[1:])]):
        alone = [host_spectrum(array, source) for array, source in zip(own, sources, strict=True)]
        for one, other in zip(alone, host_spectra(own, sources), strict=True):
            assert (one.values.tobytes(), one.scalars, one.estimator) == (
                other.values.tobytes(),
                other.scalars,
                other.estimator,
            )
