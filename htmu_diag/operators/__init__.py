"""Operators: matrix-free linear operators of a model: Hessian, GGN, Fisher, Jacobian, kernels."""
