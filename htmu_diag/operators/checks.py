"""The operator checks itself: is it symmetric, and is it the derivative of the gradient?

Symmetry, u . H v = v . H u for two pairs of random vectors (four products), finds functions that are differentiable
once, wrong second-derivative formulas and randomness that is not fixed. Where float32 itself is the reason (a loss near
zero cancels), a float64 copy is symmetric. It cannot find a function that stashes a detached tensor, whose "Hessian"
may be symmetric and wrong: for that, one float64 finite difference of gradients on a few samples, at several steps: it
counts only where two steps agree better with each other than with the product (kinks and rounding spoil single ones).
A failure names the modules that fail alone. All tolerances are relative.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch

from htmu_diag.arguments import checked
from htmu_diag.errors import MeasurementError
from htmu_diag.model.arguments import OPERATOR
from htmu_diag.operators.base import Operator
from htmu_diag.operators.hessian import HessianOperator
from htmu_diag.operators.local_check import failing_modules
from htmu_diag.operators.model_operator import ModelOperator

__all__ = ["SelfCheck", "finite_difference_error", "self_check", "symmetry_error"]

_SYMMETRY = {torch.float64: 1e-8}  # other dtypes: 1e-3, a thousand times the rounding, a tenth of the known defects
_ROUNDING = 0.05  # of float32 products, believed where the float64 copy is symmetric
_DIFFERENCE = 1e-4
_STEPS = (1e-7, 1e-6, 1e-8, 1e-5, 1e-4)  # relative to the parameters
_SAMPLES = 8


@dataclass(frozen=True)
class SelfCheck:
    """symmetry: |u.Hv - v.Hu| over |Hv|. difference: |Hv - finite difference| over |Hv|; NaN where not taken."""

    symmetry: float
    difference: float
    passed: bool
    modules: tuple[str, ...] = ()


def symmetry_error(operator: Operator, *, seed: int = 0) -> float:
    """The larger of two relative asymmetries, from four products; NaN where a product is."""
    rng = torch.Generator().manual_seed(seed)
    worst = 0.0
    for _ in range(2):
        u, v = torch.randn(2, operator.shape[0], generator=rng, dtype=torch.float32, device="cpu").to(
            operator.device, operator.dtype
        )
        hu, hv = operator.matvec(u), operator.matvec(v)
        scale = max(float(hu.norm()), float(hv.norm())) or 1.0
        error = abs(float(u.dot(hv)) - float(v.dot(hu))) / scale
        worst = error if math.isnan(error) else max(worst, error)
    return worst


def finite_difference_error(operator: HessianOperator, *, samples: int = _SAMPLES, seed: int = 0) -> float:
    """|H v - (g(theta + t v) - g(theta - t v)) / 2t| over |H v|, in float64 on a copy of the model.

    NaN where it cannot be taken: no copy, a forward pass that insists on float32, steps that do not agree.
    """
    for count in (samples, operator.batches[0].samples):  # all of them where an input is not one row a sample
        try:
            return _difference(operator.small_copy(count), seed)
        except MeasurementError:
            return math.nan
        except RuntimeError:
            continue
    return math.nan


def _difference(small: HessianOperator, seed: int) -> float:
    rng = torch.Generator().manual_seed(seed)
    v = torch.randn(small.shape[0], generator=rng, dtype=torch.float64, device="cpu")
    v = v.to(small.device)
    exact = small.matvec(v)
    size = math.sqrt(sum(float((p.detach() ** 2).sum()) for p in small.parameters)) or 1.0
    slopes: list[torch.Tensor] = []
    errors: list[float] = []
    for step in _STEPS:
        t = step * size / float(v.norm())
        slopes.append((small.gradient_at(v, t) - small.gradient_at(v, -t)) / (2 * t))
        errors.append(_distance(slopes[-1], exact))
        if errors[-1] < _DIFFERENCE:
            return errors[-1]
    spread = min(_distance(a, b) for a, b in itertools.combinations(slopes, 2))
    return min(errors) if spread < 0.3 * min(errors) else math.nan


def _distance(left: torch.Tensor, right: torch.Tensor) -> float:
    return float((left - right).norm()) / (max(float(left.norm()), float(right.norm())) or 1.0)


@checked(operator=OPERATOR)
def self_check(operator: ModelOperator) -> SelfCheck:
    """Check the operator; raises MeasurementError, with the names of the modules at fault, where it is wrong."""
    symmetry = symmetry_error(operator)
    if math.isnan(symmetry):
        raise MeasurementError(
            f"{_culprits(operator)}: products are NaN though the loss is finite, so a derivative is infinite; add a "
            "small constant where a root, a norm or a logarithm is taken of zero"
        )
    difference = finite_difference_error(operator) if isinstance(operator, HessianOperator) else math.nan
    symmetric = symmetry <= _SYMMETRY.get(operator.dtype, 1e-3) or (symmetry < _ROUNDING and _rounding(operator))
    if symmetric and not difference > _DIFFERENCE:
        return SelfCheck(symmetry, difference, passed=True)
    what = f"asymmetric by {symmetry:.1e}" if not symmetric else f"{difference:.1e} off a finite difference"
    raise MeasurementError(
        f"{_culprits(operator)}: wrong second derivative, the operator is {what}; look for a custom function that "
        "detaches, is differentiable once or random, and write its backward with differentiable operations; a layer "
        "that updates itself in training mode needs model.eval()"
    )


def _rounding(operator: ModelOperator) -> bool:
    """Whether only rounding makes it asymmetric: a float64 copy is symmetric."""
    try:
        return operator.dtype != torch.float64 and symmetry_error(operator.small_copy(_SAMPLES)) < 1e-8
    except RuntimeError:
        return False


def _culprits(operator: ModelOperator) -> str:
    found = failing_modules(operator.stage, operator.batches[0]) or [type(operator.stage.model).__name__]
    return ", ".join(found)
