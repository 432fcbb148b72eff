"""The type of the numbers of a stored tensor, told as torch tells its own, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from htmu_diag.narrow import NARROW

if TYPE_CHECKING:
    import torch

    NumberType: TypeAlias = "torch.dtype | StoredType"

__all__ = ["StoredType", "stored_type"]


@dataclass(frozen=True)
class StoredType:
    """What a ``torch.dtype`` says of itself, of which it has the name; ``numpy`` is the type of the arrays."""

    name: str
    numpy: np.dtype[Any]

    @property
    def itemsize(self) -> int:
        return self.numpy.itemsize

    @property
    def is_floating_point(self) -> bool:
        return "float" in self.name

    @property
    def is_complex(self) -> bool:
        return "complex" in self.name

    def __str__(self) -> str:
        return f"torch.{self.name}"


@lru_cache(maxsize=64)
def stored_type(name: str) -> StoredType:
    """The type that torch and numpy call so, or `htmu_diag.narrow` does."""
    return StoredType(name, NARROW[name] if name in NARROW else np.dtype(name))
