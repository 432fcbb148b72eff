"""Matrices: 2-D matrices out of modules, state dicts and checkpoints, one at a time."""

from htmu_diag.matrices.checkpoint import checkpoint_matrices
from htmu_diag.matrices.matrix import Inventory, Matrix, Skipped
from htmu_diag.matrices.module import matrices
from htmu_diag.matrices.stored import StoredTensor
from htmu_diag.model.names import clean_name

__all__ = ["Inventory", "Matrix", "Skipped", "StoredTensor", "checkpoint_matrices", "clean_name", "matrices"]
