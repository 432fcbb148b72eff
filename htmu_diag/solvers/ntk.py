"""The spectrum of the full neural tangent kernel by the cheapest route: the kernel itself, or products with it.

Building the (n C) x (n C) kernel costs what its plan counts, and its eigenvalues about 3 (n C)^3 multiply-adds. The k
largest alone need about 20 + 3 k products (measured: 21 for k = 5), each some six forward passes; the density by
stochastic Lanczos quadrature needs steps x probes of them. ``NTKCost`` compares the two by counted multiply-adds; print
it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from htmu_diag.arguments import GLOBS, checked, one_of, optional, whole
from htmu_diag.errors import InputError, MeasurementError
from htmu_diag.model.arguments import BYTES, MODULE, OUTPUT
from htmu_diag.operators import empirical_ntk, ntk_operator
from htmu_diag.operators.ntk import ntk_plan
from htmu_diag.operators.sample_function import Output, pick_output
from htmu_diag.solvers.density import spectral_density
from htmu_diag.solvers.eigenpairs import top_k
from htmu_diag.solvers.kernels import ntk_spectrum
from htmu_diag.spectrum import Kind, Source, Spectrum

__all__ = ["NTKCost", "full_ntk_spectrum", "ntk_cost"]

Route = Literal["exact", "top_k", "slq"]
Method = Literal["auto", "exact", "top_k", "slq"]
EIGENVALUES = 3.0  # multiply-adds over N^3 of all eigenvalues in float64: 2.3 to 3.5 measured at N = 1,000 and 2,000
STEPS, PROBES = 64, 4  # of the quadrature, the defaults of `spectral_density`


@dataclass(frozen=True)
class NTKCost:
    """Multiply-adds of both routes to the spectrum of an N x N kernel; infinite for a kernel that does not fit.

    k: the number of largest eigenvalues, None for the whole spectrum. count: products of the route without the kernel.
    """

    dimension: int
    k: int | None
    exact: float
    products: float
    count: int

    @property
    def choice(self) -> Route:
        """The cheaper route: all eigenvalues of the kernel, or products with it."""
        if self.exact <= self.products:
            return "exact"
        return "slq" if self.k is None else "top_k"

    def __str__(self) -> str:
        wanted = "its density" if self.k is None else f"its {self.k} largest"
        return (
            f"kernel of dimension {self.dimension}: all eigenvalues {self.exact:.3g} multiply-adds; {wanted} by "
            f"{self.count} products {self.products:.3g}; chosen: {self.choice}"
        )


@checked(model=MODULE, k=optional(whole(1)), memory=BYTES, output=OUTPUT)
def ntk_cost(
    model: nn.Module, inputs: Any, k: int | None, *, memory: int = 2_000_000_000, output: Output = pick_output
) -> NTKCost:
    """The cost of both routes, from a trial run on two samples."""
    trial = ntk_plan(model, inputs, output=output)
    dimension = trial.n * trial.outputs
    count = STEPS * PROBES if k is None else min(dimension, 20 + 3 * k)
    try:
        plan = ntk_plan(model, inputs, outputs="full", memory=memory, output=output)
        exact = plan.madds + EIGENVALUES * float(dimension) ** 3
    except MeasurementError:  # the kernel does not fit
        exact = float("inf")
    return NTKCost(dimension, k, exact, count * trial.product_madds, count)


@checked(
    model=MODULE,
    k=optional(whole(1)),
    method=one_of("auto", "exact", "top_k", "slq"),
    parameters=GLOBS,
    memory=BYTES,
    output=OUTPUT,
    step=optional(whole()),
)
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
    """Eigenvalues of K/n for the full kernel: all of them, the k largest, or its density (quadrature nodes).

    method: "auto" takes the cheaper of the kernel and products with it by ``ntk_cost`` (printed with ``verbose``);
        "exact", "top_k" and "slq" force a route. The exact route returns all eigenvalues, also with k. The estimator of
        the spectrum says which was taken; nodes are not eigenvalues.
    Raises MeasurementError where the exact route is forced and the kernel does not fit into ``memory`` bytes,
    InputError for k outside 1..n C.
    """
    if method == "top_k" and k is None:
        raise InputError("method='top_k' needs k, the number of eigenvalues")
    route = method if method != "auto" else _cheapest(model, inputs, k, memory, output, verbose)
    if route == "exact":
        kernel = empirical_ntk(model, inputs, outputs="full", parameters=parameters, memory=memory, output=output)
        return ntk_spectrum(kernel, step=step)
    operator, rng = ntk_operator(model, inputs, parameters=parameters, output=output), torch.Generator().manual_seed(0)
    unit = "eigenvalues of J J^T / n, J (n C x P), gamma = n C / P or its inverse"
    source = Source(Kind.NTK, "model", (operator.shape[0], operator.size), step, unit)
    if route == "slq" or k is None:
        found = spectral_density(operator, source, steps=STEPS, probes=PROBES, rng=rng)
    else:
        found = top_k(operator, k, rng=rng).spectrum(source)
    return _divided(found, operator.function.n)


def _cheapest(model: nn.Module, inputs: Any, k: int | None, memory: int, output: Output, verbose: bool) -> Route:
    cost = ntk_cost(model, inputs, k, memory=memory, output=output)
    if verbose:
        print(cost)
    return cost.choice


def _divided(spectrum: Spectrum, n: int) -> Spectrum:
    """Of K/n from that of K. A quadrature node below zero is rounding."""
    scalars = {name: value / n for name, value in spectrum.scalars.items()}
    return replace(spectrum, values=np.maximum(spectrum.values, 0.0) / n, scalars=scalars)
