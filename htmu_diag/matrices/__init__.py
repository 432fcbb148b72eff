"""Matrices: 2-D matrices out of modules, state dicts and checkpoints, one at a time.

What reads a module needs torch, and is imported at its first use: a file of arrays is read without it.
"""

from typing import TYPE_CHECKING

from htmu_diag.extras import late_names
from htmu_diag.matrices.checkpoint import checkpoint_matrices
from htmu_diag.matrices.matrix import Inventory, Matrix, Skipped
from htmu_diag.matrices.stored import StoredTensor
from htmu_diag.model.names import clean_name

if TYPE_CHECKING:
    from htmu_diag.matrices.module import matrices as matrices

__all__ = ["Inventory", "Matrix", "Skipped", "StoredTensor", "checkpoint_matrices", "clean_name", "matrices"]


if not TYPE_CHECKING:  # a type checker that saw it would take every mistyped name for Any
    __getattr__ = late_names(__name__, {"matrices": "module"})
