"""The empirical neural tangent kernel: exact, layer by layer, projected, or as products with vectors."""

from htmu_diag.operators.ntk.empirical import Kernel, Outputs, empirical_ntk, ntk_plan
from htmu_diag.operators.ntk.plan import Plan
from htmu_diag.operators.ntk.products import NTKOperator, ntk_operator

__all__ = ["Kernel", "NTKOperator", "Outputs", "Plan", "empirical_ntk", "ntk_operator", "ntk_plan"]
