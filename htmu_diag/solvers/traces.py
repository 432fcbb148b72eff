"""The trace of an operator from products with random vectors, with a standard error.

Hutchinson (1989): the mean of v . A v. Hutch++ (Meyer et al. 2021): the trace on the range of a
sketch exactly, Hutchinson on what is left. XTrace (Epperly, Tropp & Webber 2024): every vector is once the test
vector and otherwise part of the sketch; the most accurate for a given number of products when eigenvalues decay.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from htmu_diag.arguments import Rule, checked, one_of, whole
from htmu_diag.errors import InputError
from htmu_diag.model.arguments import OPERATOR, RANDOM
from htmu_diag.operators.base import Operator

__all__ = ["TraceEstimate", "block_traces", "trace"]


_SIZES = Rule(
    "a list of whole numbers",
    lambda value: isinstance(value, list | tuple) and all(whole().holds(size) for size in value),
)


@dataclass(frozen=True)
class TraceEstimate:
    """value: of the trace. stderr: its standard error, from the scatter of the samples. products: spent."""

    value: float
    stderr: float
    products: int


@checked(operator=OPERATOR, products=whole(), method=one_of("hutchinson", "hutch++", "xtrace"), rng=RANDOM)
def trace(
    operator: Operator,
    *,
    products: int = 96,
    method: Literal["hutchinson", "hutch++", "xtrace"] = "xtrace",
    rng: torch.Generator | None = None,
) -> TraceEstimate:
    """Estimate the trace from at most ``products`` products. Raises InputError for fewer than 6 (2 for Hutchinson)."""
    least = 2 if method == "hutchinson" else 6
    if products < least:
        raise InputError(f"{method} needs at least {least} products for a standard error, got {products}")
    rng = rng or torch.Generator().manual_seed(0)
    size = operator.shape[0]
    if method == "hutchinson":
        return _hutchinson(operator, products, rng)
    if method == "hutch++":
        return _hutch_pp(operator, min(products // 3, size), products - 2 * min(products // 3, size), rng)
    return _xtrace(operator, min(products // 2, size), rng)


@checked(operator=OPERATOR, sizes=_SIZES, products=whole(), rng=RANDOM)
def block_traces(
    operator: Operator, sizes: Sequence[int], *, products: int, rng: torch.Generator | None = None
) -> list[TraceEstimate]:
    """Traces of the consecutive diagonal blocks of these sizes, sum N, all from the same ``products`` products.

    Hutchinson with independent directions v_b in the blocks: v_b . (A v)_b has the mean tr A_bb. What couples a block
    to the others adds to its scatter, and so to its standard error. Raises InputError for fewer than 2 products.
    """
    if products < 2:
        raise InputError(f"traces of blocks need at least 2 products for a standard error, got {products}")
    if not sizes or any(size < 1 for size in sizes) or sum(sizes) != operator.shape[0]:
        raise InputError(f"sizes={list(sizes)}: blocks of an operator of dimension {operator.shape[0]} have that sum")
    rng = rng or torch.Generator().manual_seed(0)
    samples = torch.empty(products, len(sizes), dtype=torch.float64, device="cpu")
    for row in samples:
        pieces = [torch.randn(size, generator=rng, dtype=torch.float32, device="cpu") for size in sizes]
        v = torch.cat([piece * (math.sqrt(piece.numel()) / piece.norm()) for piece in pieces])
        v = v.to(operator.device, operator.dtype)
        found = torch.split((v * operator.matvec(v)).double(), list(sizes))
        row.copy_(torch.stack([piece.sum() for piece in found]))
    return [_mean(column, products) for column in samples.T]


def _draws(operator: Operator, count: int, rng: torch.Generator) -> torch.Tensor:
    """Columns uniform on the sphere of radius sqrt(N), (N, count)."""
    draws = torch.randn(operator.shape[0], count, generator=rng, dtype=torch.float64, device="cpu")
    draws *= math.sqrt(operator.shape[0]) / draws.norm(dim=0)
    return draws.to(operator.device, operator.dtype)


def _mean(samples: torch.Tensor, products: int, offset: float = 0.0) -> TraceEstimate:
    stderr = float(samples.std()) / math.sqrt(samples.numel())
    return TraceEstimate(offset + float(samples.mean()), stderr, products)


def _hutchinson(operator: Operator, count: int, rng: torch.Generator) -> TraceEstimate:
    draws = _draws(operator, count, rng)
    return _mean((draws * operator.matmat(draws)).double().sum(0), count)


def _hutch_pp(operator: Operator, rank: int, count: int, rng: torch.Generator) -> TraceEstimate:
    basis = torch.linalg.qr(operator.matmat(_draws(operator, rank, rng)))[0]
    inside = float((basis * operator.matmat(basis)).double().sum())
    draws = _draws(operator, count, rng)
    draws -= basis @ (basis.T @ draws)
    return _mean((draws * operator.matmat(draws)).double().sum(0), 2 * rank + count, inside)


def _xtrace(operator: Operator, count: int, rng: torch.Generator) -> TraceEstimate:
    """Sample i: trace on the sketch without vector i, plus that vector's quadratic form on the complement."""
    size = operator.shape[0]
    draws = _draws(operator, count, rng)
    basis, upper = torch.linalg.qr(operator.matmat(draws))
    inside = (basis.T @ operator.matmat(basis)).double()
    w, r = (basis.T @ draws).double(), upper.double()
    s = torch.linalg.solve_triangular(r.T, torch.eye(count, dtype=torch.float64, device=r.device), upper=False)
    s = s / s.norm(dim=0)  # column i: the direction that leaves the sketch with vector i
    x = w - s * (s * w).sum(0)
    left = (size - x.square().sum(0)).clamp_min(1e-12 * size)  # squared length of the vector outside the sketch
    scale = (size - count + 1) / left
    form = (w * r).sum(0) - 2 * (x * r).sum(0) + (x * (inside @ x)).sum(0)
    samples = torch.trace(inside) - (s * (inside @ s)).sum(0) + scale * form
    return _mean(samples, 2 * count)
