"""The empirical neural tangent kernel: exact, layer by layer, or as products with vectors."""

from htmu_diag.operators.ntk.empirical import Kernel, Outputs, empirical_ntk
from htmu_diag.operators.ntk.plan import Plan

__all__ = ["Kernel", "Outputs", "Plan", "empirical_ntk"]
