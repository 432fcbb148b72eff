"""What functions of the measurement wing may be given, as rules of `htmu_diag.arguments`."""

from __future__ import annotations

import torch

from htmu_diag.arguments import Rule, having, instance, optional, whole
from htmu_diag.spectrum import Source

__all__ = ["BYTES", "DTYPE", "LOSS", "MODULE", "OPERATOR", "OUTPUT", "RANDOM", "REAL", "SOURCE", "TENSOR"]

BYTES = Rule("a number of bytes", whole(0, 2**62).holds)
DTYPE = Rule(
    "torch.float32 or torch.float64",
    lambda value: value in (torch.float32, torch.float64, torch.complex64, torch.complex128),
)
REAL = Rule("torch.float32 or torch.float64", lambda value: isinstance(value, torch.dtype) and value.is_floating_point)
LOSS = optional(Rule("a function of outputs and targets that gives one number", callable))
MODULE = instance("a torch.nn.Module", torch.nn.Module)
OPERATOR = having(
    "an operator, such as HessianOperator(...) or MatrixOperator(matrix)", "shape", "matvec", "dtype", "device"
)
OUTPUT = Rule("a function from what the model returns to one tensor", callable)
RANDOM = optional(instance("torch.Generator().manual_seed(seed)", torch.Generator))
TENSOR = instance("a torch.Tensor", torch.Tensor)
SOURCE = instance("a htmu_diag.Source", Source)
