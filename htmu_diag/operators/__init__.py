"""Operators: matrix-free linear operators of a model: Hessian, GGN, Fisher, Jacobian, kernels."""

from htmu_diag.operators.ntk import Kernel, empirical_ntk, ntk_operator

__all__ = ["Kernel", "empirical_ntk", "ntk_operator"]
