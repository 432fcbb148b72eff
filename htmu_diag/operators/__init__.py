"""Operators: matrix-free linear operators of a model: Hessian, GGN, Fisher, Jacobian, kernels."""

from htmu_diag.operators.ntk import Kernel, empirical_ntk

__all__ = ["Kernel", "empirical_ntk"]
