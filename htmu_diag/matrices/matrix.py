"""What the room gives out: matrices that are read when asked for, and a reason for every tensor that is none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from htmu_diag.errors import HTMUError, InputError
from htmu_diag.extras import Late
from htmu_diag.model.names import selected
from htmu_diag.model.torch_values import as_tensor, memory_refused
from htmu_diag.nearest import nearest
from htmu_diag.skipped import Skipped

if TYPE_CHECKING:
    import torch

    from htmu_diag.model.torch_values import Values
else:
    torch, Values = Late("torch"), Any

__all__ = ["Inventory", "Matrix", "Skipped"]

# what torch raises where parts of a weight do not fit together: shapes, types, a division by none
UNREADABLE = (RuntimeError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, AssertionError)
Read = TypeVar("Read")


@dataclass(frozen=True)
class Matrix:
    """One matrix of a model, not yet in memory.

    name: the parameter's clean name, and the part's name where the parameter was split ("attn.in_proj_weight.q").
    shape: (rows, columns) = (outputs, inputs). role: what it does ("linear", "conv", "query", "gate i", ...).
    parameter: the clean name of the tensor it was cut from. factors: reads B (rows, r) and A (r, columns) of a low-rank
        product B A, whose spectrum needs no more than r x r; None for an ordinary matrix.
    """

    name: str
    shape: tuple[int, int]
    role: str
    parameter: str
    load: Callable[[], Values] = field(repr=False, compare=False)  # as `values`
    factors: Callable[[], tuple[torch.Tensor, torch.Tensor]] | None = field(default=None, repr=False, compare=False)

    def read(self) -> torch.Tensor:
        """The matrix, (rows, columns), detached, where the tensor lives; half and eighth precision as float32."""
        tensor = self.stored()
        return tensor if tensor.dtype.is_complex or tensor.dtype.itemsize >= 4 else tensor.float()

    def stored(self) -> torch.Tensor:
        """The matrix in the precision it is stored in: the solvers widen it block by block, which saves a copy.

        Errors as of `values`.
        """
        return as_tensor(self.values())

    def values(self) -> Values:
        """The same as it was read: an array, for which torch need not be there, or a tensor.

        Raises InputError where its parts do not fit together, or are not of the shape that was told.
        """
        values = self._read(self.load)
        if tuple(values.shape) != self.shape:
            raise InputError(
                f"{self.name}: {tuple(values.shape)} was read for {self.shape}; the file contradicts itself"
            )
        return values

    def low_rank(self) -> tuple[torch.Tensor, torch.Tensor]:
        """B (rows, r) and A (r, columns) of a product, which has ``factors``. Errors as of `stored`."""
        assert self.factors is not None
        return self._read(self.factors)

    def _read(self, load: Callable[[], Read]) -> Read:
        try:
            return load()
        except HTMUError:
            raise
        except UNREADABLE as error:
            if isinstance(error, memory_refused()):
                raise
            text = str(error).strip().splitlines()
            reason = f"{type(error).__name__}: {text[0][:160]}" if text else type(error).__name__
            raise InputError(f"{self.name}: cannot be put together ({reason}); leave it out with exclude") from error

    @property
    def cost(self) -> float:
        """Multiplications of its Gram matrix and eigenvalues, n m^2 + m^3 up to constants, m the smaller side."""
        small, large = sorted(self.shape)
        return float(small) ** 2 * (large + 4.0 * small)


@dataclass(frozen=True)
class Inventory:
    """All matrices of a model in its own order, and all tensors without one."""

    matrices: tuple[Matrix, ...]
    skipped: tuple[Skipped, ...] = ()

    def __iter__(self) -> Iterator[Matrix]:
        return iter(self.matrices)

    def __len__(self) -> int:
        return len(self.matrices)

    def __getitem__(self, name: str) -> Matrix:
        """The matrix of that name. Raises KeyError with the reason where the tensor was skipped."""
        for matrix in self.matrices:
            if matrix.name == name:
                return matrix
        reasons = [skip.reason for skip in self.skipped if skip.name == name]
        raise KeyError(f"{name}: {reasons[0]}" if reasons else f"{name}: no such matrix; see Inventory.names")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(matrix.name for matrix in self.matrices)

    def unmatched(self, globs: Iterable[str]) -> str:
        """The globs that match no name, matrix or not, in a sentence; "" where each matches one."""
        names = [*self.names, *(skip.name for skip in self.skipped)]
        idle = [glob for glob in globs if not any(selected(name, glob) for name in names)]
        near = [found for glob in idle if (found := nearest(glob.strip("*"), names))]
        asked = f"did you mean {near[0]!r}?" if near else f"the names are {', '.join(names[:3])}, ..."
        return f"include or exclude: no name matches {', '.join(map(repr, idle))}; {asked}" if idle else ""
