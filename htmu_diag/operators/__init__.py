"""Operators: matrix-free linear operators of a model: Hessian, GGN, Fisher, Jacobian, kernels."""

from htmu_diag.operators.alignment import (
    TargetCoefficients,
    class_centred,
    kernel_target_alignment,
    target_coefficients,
)
from htmu_diag.operators.base import MatrixOperator, Operator, Shifted
from htmu_diag.operators.conjugate_kernel import Features, conjugate_kernel
from htmu_diag.operators.jacobian import InputJacobian, input_output_jacobian
from htmu_diag.operators.ntk import Kernel, empirical_ntk, ntk_operator

__all__ = [
    "Shifted",
    "Operator",
    "MatrixOperator",
    "Features",
    "InputJacobian",
    "Kernel",
    "TargetCoefficients",
    "class_centred",
    "conjugate_kernel",
    "empirical_ntk",
    "input_output_jacobian",
    "kernel_target_alignment",
    "ntk_operator",
    "target_coefficients",
]
