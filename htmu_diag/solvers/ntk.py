"""The spectrum of the full neural tangent kernel by the cheapest route: the kernel itself, or products with it.

Building the (n C) x (n C) kernel costs what its plan counts, and its eigenvalues about 3 (n C)^3 multiply-adds. The k
largest alone need about 20 + 3 k products (measured: 21 for k = 5), each some six forward passes. ``NTKCost`` compares
the two by counted multiply-adds; print it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from htmu_diag.errors import InputError, MeasurementError
from htmu_diag.operators import empirical_ntk, ntk_operator
from htmu_diag.operators.ntk import ntk_plan
from htmu_diag.operators.sample_function import Output, pick_output
from htmu_diag.solvers.kernels import ntk_spectrum
from htmu_diag.solvers.top_k import top_k
from htmu_diag.spectrum import Kind, Source, Spectrum

__all__ = ["NTKCost", "full_ntk_spectrum", "ntk_cost"]

Method = Literal["auto", "exact", "top_k"]
EIGENVALUES = 3.0  # multiply-adds over N^3 of all eigenvalues in float64: 2.3 to 3.5 measured at N = 1,000 and 2,000


@dataclass(frozen=True)
class NTKCost:
    """Multiply-adds of both routes to the k largest eigenvalues of an N x N kernel; infinite where it does not fit."""

    dimension: int
    k: int | None
    exact: float
    products: float
    count: int

    @property
    def choice(self) -> Literal["exact", "top_k"]:
        """The cheaper route; exact where all eigenvalues are asked for."""
        return "top_k" if self.k is not None and self.products < self.exact else "exact"

    def __str__(self) -> str:
        return (
            f"kernel of dimension {self.dimension}: all eigenvalues {self.exact:.3g} multiply-adds; "
            f"{self.k or 'as many'} largest by {self.count} products {self.products:.3g}; chosen: {self.choice}"
        )


def ntk_cost(
    model: nn.Module, inputs: Any, k: int | None, *, memory: int = 2_000_000_000, output: Output = pick_output
) -> NTKCost:
    """The cost of both routes, from a trial run on two samples."""
    trial = ntk_plan(model, inputs, output=output)
    dimension = trial.n * trial.outputs
    count = min(dimension, 20 + 3 * k) if k else dimension
    try:
        plan = ntk_plan(model, inputs, outputs="full", memory=memory, output=output)
        exact = plan.madds + EIGENVALUES * float(dimension) ** 3
    except MeasurementError:  # the kernel does not fit
        exact = float("inf")
    return NTKCost(dimension, k, exact, count * trial.product_madds, count)


def full_ntk_spectrum(
    model: nn.Module,
    inputs: Any,
    *,
    k: int | None = None,
    method: Method = "auto",
    parameters: str | Sequence[str] = "*",
    memory: int = 2_000_000_000,
    output: Output = pick_output,
    step: int | None = None,
    verbose: bool = False,
) -> Spectrum:
    """Eigenvalues of K/n for the full kernel: all of them, or the k largest where k is given.

    method: "auto" takes the cheaper route by ``ntk_cost`` (printed with ``verbose``); "exact" and "top_k" force one.
    With k, the exact route still returns all eigenvalues, since they are there. Raises MeasurementError where all are
    asked for and the kernel does not fit into ``memory`` bytes, InputError for k outside 1..n C.
    """
    if method == "top_k" and k is None:
        raise InputError("method='top_k' needs k, the number of eigenvalues")
    if method == "auto":
        cost = ntk_cost(model, inputs, k, memory=memory, output=output)
        method = cost.choice
        if verbose:
            print(cost)
    if method == "exact" or k is None:
        kernel = empirical_ntk(model, inputs, outputs="full", parameters=parameters, memory=memory, output=output)
        return ntk_spectrum(kernel, step=step)
    operator = ntk_operator(model, inputs, parameters=parameters, output=output)
    pairs = top_k(operator, k, rng=torch.Generator().manual_seed(0))
    n = operator.shape[0] // operator.outputs
    unit = "eigenvalues of J J^T / n, J (n C x P), gamma = n C / P or its inverse"
    source = Source(Kind.NTK, "model", (operator.shape[0], operator.size), step, unit)
    found = pairs.spectrum(source)
    return Spectrum.top_k(
        found.values / n, found.dimension, source, routine=found.estimator.routine, products=pairs.products
    )
