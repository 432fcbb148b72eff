"""Matrices: 2-D matrices out of modules, state dicts and checkpoints, one at a time.

What reads a module needs torch, and is imported at its first use: a file of arrays is read without it.
"""

from typing import TYPE_CHECKING, Any

from htmu_diag.matrices.checkpoint import checkpoint_matrices
from htmu_diag.matrices.matrix import Inventory, Matrix, Skipped
from htmu_diag.matrices.stored import StoredTensor
from htmu_diag.model.names import clean_name

if TYPE_CHECKING:
    from htmu_diag.matrices.module import matrices as matrices

__all__ = ["Inventory", "Matrix", "Skipped", "StoredTensor", "checkpoint_matrices", "clean_name", "matrices"]


if not TYPE_CHECKING:  # a type checker that saw it would take every mistyped name for Any

    def __getattr__(name: str) -> Any:
        if name != "matrices":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from htmu_diag.matrices.module import matrices

        globals()[name] = matrices
        return matrices
