"""Numbers that numpy has no type for: each code is the number that torch reads in it."""

import numpy as np
import pytest
import torch

from htmu_diag.model.torch_values import array_of, as_tensor
from htmu_diag.narrow import NARROW, narrow_name, widened


def every_code(name: str) -> torch.Tensor:
    """(codes / 16, 16), each code once."""
    bits = 8 * NARROW[name].itemsize
    codes = np.arange(2**bits).astype(f"u{bits // 8}").view(np.int16 if bits == 16 else np.uint8)
    return torch.from_numpy(codes.reshape(-1, 16)).view(getattr(torch, name))


@pytest.mark.parametrize("name", [name for name in NARROW if hasattr(torch, name)])
def test_every_code_is_the_number_that_torch_reads(name: str) -> None:
    tensor = every_code(name)
    array = array_of(tensor)
    assert array is not None
    assert narrow_name(array.dtype) == name
    np.testing.assert_array_equal(widened(array), tensor.float().numpy())
    assert np.array_equal(np.signbit(widened(array)), np.signbit(tensor.float().numpy())) or name.startswith("float8")
    np.testing.assert_array_equal(widened(array, np.float64), tensor.double().numpy())
    back = as_tensor(array)
    assert back.dtype == tensor.dtype
    assert back.data_ptr() == tensor.data_ptr()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float8_e5m2, torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("cut", ["whole", "turned", "columns", "turned columns"])
def test_a_wider_copy_lies_in_memory_as_torchs_does(dtype: torch.dtype, cut: str) -> None:
    """How entries lie decides the last bits of a product."""
    tensor = torch.randn(6, 9, generator=torch.Generator().manual_seed(0)).to(dtype)
    tensor = tensor[:, 2:7] if "columns" in cut else tensor
    tensor = tensor.mT if "turned" in cut else tensor
    array, wide = array_of(tensor), tensor.to(torch.float64).numpy()
    assert array is not None
    found = widened(array, np.float64)
    np.testing.assert_array_equal(found, wide)
    assert found.strides == wide.strides


def test_what_is_no_plain_tensor_in_memory_is_no_array() -> None:
    """On a device, sparse, or of a type that is not known here."""
    assert array_of(torch.empty(3, 4, device="meta")) is None
    assert array_of(torch.eye(3).to_sparse()) is None
    assert array_of(torch.zeros(3, dtype=torch.float8_e4m3fnuz)) is None
    parameter = torch.nn.Parameter(torch.ones(2, 3))
    array = array_of(parameter)
    assert array is not None
    array[0, 0] = 5.0
    assert parameter[0, 0] == 5.0
