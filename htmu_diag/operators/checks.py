"""The operator checks itself: is it symmetric, and is it the derivative of the gradient?

Symmetry, u . H v = v . H u for two pairs of random vectors (four products), finds functions that are differentiable
once, wrong second-derivative formulas and randomness that is not fixed. It cannot find a function that stashes a
detached tensor, whose "Hessian" may be symmetric and wrong: for that, one float64 finite difference of gradients on a
few samples. A failure names the modules that fail alone. All tolerances are relative.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from htmu_diag.errors import MeasurementError
from htmu_diag.operators.base import Operator
from htmu_diag.operators.hessian import HessianOperator
from htmu_diag.operators.local_check import failing_modules

__all__ = ["SelfCheck", "finite_difference_error", "self_check", "symmetry_error"]

_SYMMETRY = {torch.float64: 1e-8}  # other dtypes: 1e-3, a thousand times the rounding, a tenth of the known defects
_DIFFERENCE = 1e-4
_STEPS = (1e-7, 1e-8, 1e-6)  # relative; a kink of ReLU inside one step spoils that one
_SAMPLES = 8


@dataclass(frozen=True)
class SelfCheck:
    """symmetry: |u.Hv - v.Hu| over |u||Hv|. difference: |Hv - finite difference| over |Hv|; NaN where not taken."""

    symmetry: float
    difference: float
    passed: bool
    modules: tuple[str, ...] = ()


def symmetry_error(operator: Operator, *, seed: int = 0) -> float:
    """The larger of two relative asymmetries, from four products."""
    rng = torch.Generator().manual_seed(seed)
    worst = 0.0
    for _ in range(2):
        u, v = torch.randn(2, operator.shape[0], generator=rng).to(operator.device, operator.dtype)
        hu, hv = operator.matvec(u), operator.matvec(v)
        scale = max(float(hu.norm()), float(hv.norm())) or 1.0
        worst = max(worst, abs(float(u.dot(hv)) - float(v.dot(hu))) / scale)
    return worst


def finite_difference_error(operator: HessianOperator, *, samples: int = _SAMPLES, seed: int = 0) -> float:
    """|H v - (g(theta + t v) - g(theta - t v)) / 2t| over |H v|, in float64 on a copy of the model; NaN without one."""
    try:
        small = operator.small_copy(samples)
    except MeasurementError:
        return math.nan
    v = torch.randn(small.shape[0], generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    v = v.to(small.device)
    exact = small.matvec(v)
    size = math.sqrt(sum(float((p.detach() ** 2).sum()) for p in small.parameters))
    errors = []
    for step in _STEPS:
        t = step * size / float(v.norm())
        ahead, behind = small.gradient_at(v, t), small.gradient_at(v, -t)
        slope = (ahead - behind) / (2 * t)
        errors.append(float((slope - exact).norm()) / (max(float(exact.norm()), float(slope.norm())) or 1.0))
        if errors[-1] < _DIFFERENCE:
            break
    return min(errors)


def self_check(operator: HessianOperator) -> SelfCheck:
    """Check the operator; raises MeasurementError, with the names of the modules at fault, where it is wrong."""
    symmetry, difference = symmetry_error(operator), finite_difference_error(operator)
    symmetric = symmetry <= _SYMMETRY.get(operator.dtype, 1e-3)
    if symmetric and not difference > _DIFFERENCE:
        return SelfCheck(symmetry, difference, passed=True)
    where = failing_modules(operator.stage, operator.batches[0]) or [type(operator.stage.model).__name__]
    what = f"asymmetric by {symmetry:.1e}" if not symmetric else f"{difference:.1e} off a finite difference"
    raise MeasurementError(
        f"{', '.join(where)}: wrong second derivative, the Hessian is {what}; look for a custom function that detaches,"
        " is differentiable once or random, and write its backward with differentiable operations"
    )
