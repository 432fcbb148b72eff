"""What is torch's is told without importing torch: where torch is not loaded, there is no tensor and no module.

A file of arrays is then read and measured without torch, which takes longer to import than small models to measure.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypeGuard

import numpy as np

from htmu_diag.narrow import NARROW, Array, narrow_name, widened

if TYPE_CHECKING:
    import torch

    Values = Array | torch.Tensor

__all__ = ["array_of", "as_tensor", "detached", "is_module", "is_of", "is_tensor", "memory_refused", "on_host"]

_WHOLE = {"bool", "uint8", "int8", "int16", "int32", "int64"}
_NUMPYS = _WHOLE | {"float16", "float32", "float64", "complex64", "complex128"}


def is_of(value: object, module: str, name: str) -> bool:
    """Whether a value is one of the class of that name in a module of torch, which is not imported to ask."""
    kind = getattr(sys.modules.get(module), name, None)
    return kind is not None and isinstance(value, kind)


def is_tensor(value: object) -> TypeGuard[torch.Tensor]:
    """Whether a value is a tensor of torch."""
    return is_of(value, "torch", "Tensor")


def is_module(value: object) -> TypeGuard[torch.nn.Module]:
    """Whether a value is a module of torch."""
    return is_of(value, "torch.nn", "Module")


def memory_refused() -> tuple[type[Exception], ...]:
    """What torch raises where a device has no memory left; nothing where it is not loaded."""
    kind = getattr(sys.modules.get("torch"), "OutOfMemoryError", None)
    return () if kind is None else (kind,)


def array_of(tensor: Values) -> Array | None:
    """An array as it is, the memory of a plain tensor on the CPU as one; None for any other tensor."""
    if isinstance(tensor, np.ndarray):
        return tensor
    import torch

    plain = type(tensor) in (torch.Tensor, torch.nn.Parameter, torch.nn.Buffer) and tensor.device.type == "cpu"
    if not plain or tensor.is_quantized or tensor.layout is not torch.strided or tensor.is_nested:
        return None
    name, tensor = str(tensor.dtype).removeprefix("torch."), tensor.detach().resolve_neg().resolve_conj()
    if name in NARROW:
        codes = tensor.view(torch.int16 if tensor.dtype.itemsize == 2 else torch.uint8)
        return codes.numpy().view(NARROW[name])
    return tensor.numpy() if name in _NUMPYS else None


def as_tensor(values: Values) -> torch.Tensor:
    """A tensor over the memory of an array, of the type that its numbers have; a tensor as it is."""
    if not isinstance(values, np.ndarray):
        return values
    import torch

    name = narrow_name(values.dtype)
    kind = getattr(torch, name, None) if name else None
    if not isinstance(kind, torch.dtype):
        return torch.from_numpy(widened(values) if name else values)
    return torch.from_numpy(values.view(np.int16 if values.itemsize == 2 else np.uint8)).view(kind)


def on_host(values: Values) -> Array:
    """Any numbers as an array; those that numpy has no type for as they are in `htmu_diag.narrow`, or widened."""
    if isinstance(values, np.ndarray):
        return values
    tensor = values.detach().cpu()
    array = array_of(tensor)
    return tensor.to(_double(tensor)).numpy() if array is None else array


def _double(tensor: torch.Tensor) -> torch.dtype:
    import torch

    return torch.complex128 if tensor.is_complex() else torch.float64


def detached(values: Values) -> Values:
    """Without what torch would need to differentiate."""
    return values if isinstance(values, np.ndarray) else values.detach()
