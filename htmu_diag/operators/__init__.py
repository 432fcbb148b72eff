"""Operators: matrix-free linear operators of a model: Hessian, GGN, Fisher, Jacobian, kernels."""

from htmu_diag.operators.alignment import (
    TargetCoefficients,
    class_centred,
    kernel_target_alignment,
    target_coefficients,
)
from htmu_diag.operators.allreduce import AllReduced
from htmu_diag.operators.base import MatrixOperator, Operator, Shifted
from htmu_diag.operators.checks import SelfCheck, self_check
from htmu_diag.operators.conjugate_kernel import Features, conjugate_kernel
from htmu_diag.operators.covariance import Centred, GradientSecondMoment, gradient_covariance
from htmu_diag.operators.fisher import FisherOperator
from htmu_diag.operators.ggn import GGNOperator
from htmu_diag.operators.hessian import HessianOperator
from htmu_diag.operators.jacobian import InputJacobian, input_output_jacobian
from htmu_diag.operators.ntk import Kernel, empirical_ntk, ntk_operator

__all__ = [
    "AllReduced",
    "Centred",
    "Features",
    "FisherOperator",
    "GGNOperator",
    "GradientSecondMoment",
    "HessianOperator",
    "InputJacobian",
    "Kernel",
    "MatrixOperator",
    "Operator",
    "SelfCheck",
    "Shifted",
    "TargetCoefficients",
    "class_centred",
    "conjugate_kernel",
    "empirical_ntk",
    "gradient_covariance",
    "input_output_jacobian",
    "kernel_target_alignment",
    "ntk_operator",
    "self_check",
    "target_coefficients",
]
