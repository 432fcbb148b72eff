"""What functions of the measurement wing may be given, as rules of `htmu_diag.arguments`."""

from __future__ import annotations

from htmu_diag.arguments import Rule, having, instance, optional, whole
from htmu_diag.model.torch_values import is_module, is_of, is_tensor
from htmu_diag.spectrum import Source

__all__ = ["BYTES", "DTYPE", "LOSS", "MODULE", "OPERATOR", "OUTPUT", "RANDOM", "REAL", "SOURCE", "TENSOR"]

_WIDE = ("torch.float32", "torch.float64", "torch.complex64", "torch.complex128")
BYTES = Rule("a number of bytes", whole(0, 2**62).holds)
DTYPE = Rule(
    "torch.float32 or torch.float64",
    lambda value: is_of(value, "torch", "dtype") and str(value) in _WIDE,
)
REAL = Rule("torch.float32 or torch.float64", lambda value: is_of(value, "torch", "dtype") and value.is_floating_point)
LOSS = optional(Rule("a function of outputs and targets that gives one number", callable))
MODULE = Rule("a torch.nn.Module", is_module)
OPERATOR = having(
    "an operator, such as HessianOperator(...) or MatrixOperator(matrix)", "shape", "matvec", "dtype", "device"
)
OUTPUT = Rule("a function from what the model returns to one tensor", callable)
RANDOM = optional(Rule("torch.Generator().manual_seed(seed)", lambda value: is_of(value, "torch", "Generator")))
TENSOR = Rule("a torch.Tensor", is_tensor)
SOURCE = instance("a htmu_diag.Source", Source)
