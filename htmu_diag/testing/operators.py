"""What an operator must be: real, symmetric, linear, the same at every call."""

from __future__ import annotations

import torch

from htmu_diag.operators import Operator
from htmu_diag.testing.demand import attempt, demand, demand_object

__all__ = ["check_operator"]


def check_operator(operator: Operator, *, tolerance: float = 1e-4, seed: int = 0) -> None:
    """Try products with random vectors. tolerance: relative, for sums in the operator's own precision."""
    demand_object(operator)
    demand(isinstance(operator, Operator), operator, "has not shape, dtype, device, matvec and matmat")
    with attempt(operator, f"its shape {operator.shape!r}", "it must be a pair of whole numbers"):
        rows, columns = operator.shape
    demand(isinstance(operator.dtype, torch.dtype), operator, f"its dtype {operator.dtype!r} is none of torch's")
    demand(rows == columns and rows > 0, operator, f"its shape {operator.shape} is not square")
    generator = torch.Generator().manual_seed(seed)
    u, v = (torch.randn(rows, generator=generator).to(operator.device, operator.dtype) for _ in range(2))
    before = v.clone()
    product, other = _product(operator, "matvec", v), _product(operator, "matvec", u)
    demand(torch.equal(v, before), operator, "matvec changes the vector that it is given")
    demand(product.shape == v.shape and product.dtype == v.dtype, operator, "a product has another shape or dtype")
    demand(bool(product.isfinite().all()), operator, "a product with a finite vector is not finite")
    demand(not product.requires_grad, operator, "a product has a graph; detach it")
    demand(_close(_product(operator, "matvec", v), product, tolerance), operator, "two products with one vector differ")
    scale = (product.norm() * u.norm()).item() or 1.0
    demand(abs((u @ product - other @ v).item()) <= tolerance * scale, operator, "it is not symmetric: u.Av != v.Au")
    linear = _product(operator, "matvec", 2 * v - 3 * u)
    demand(_close(linear, 2 * product - 3 * other, tolerance), operator, "it is not linear")
    both = _product(operator, "matmat", torch.stack([u, v], dim=1))
    demand(_close(both, torch.stack([other, product], dim=1), tolerance), operator, "matmat is not matvec by columns")


def _product(operator: Operator, name: str, vectors: torch.Tensor) -> torch.Tensor:
    call = f"{name}(tensor of shape {tuple(vectors.shape)})"
    with attempt(operator, call, "it must give a tensor of that shape"):
        product: object = getattr(operator, name)(vectors)
    if not isinstance(product, torch.Tensor):
        raise AssertionError(f"{type(operator).__name__}: {call} gives a {type(product).__name__}, no tensor")
    return product


def _close(one: torch.Tensor, other: torch.Tensor, tolerance: float) -> bool:
    return one.shape == other.shape and bool((one - other).norm() <= tolerance * (other.norm() + 1e-30))
