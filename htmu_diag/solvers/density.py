"""The spectral density of an operator by stochastic Lanczos quadrature, with its three largest errors removed.

A random direction v sees the measure sum_i (v . x_i)^2 delta(lambda_i), on average the spectral measure with mass 1/N
each; m Lanczos steps give its Gauss rule.

1. The chance factor (v . x_i)^2 N ~ chi^2_1 on the few eigenvalues that hold most of the trace: more steps do not help.
   An isolated eigenvalue whose Ritz pair has converged is *known* (``outliers.py``): it gets its exact mass 1/N and
   the remaining mass goes to the other nodes in proportion. Later probes are kept orthogonal to the vectors found so
   far, and what earlier probes had put near an eigenvalue found later is taken away from their nearest nodes.
2. The staircase of few nodes: the last rules of every run are averaged (``gauss_rules.py``). No product.
3. The chance error of the first moments in what is left: an eighth of the products goes to single ones. Each gives
   v . A v and |A v|^2 of its own direction, which is worth as much for these moments as a run; they are imposed.

Directions are uniform on the sphere: there deflation does not raise the variance of the trace, 2 sum lambda_i^2 over
what is not deflated. With Rademacher entries it can, on operators close to diagonal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from htmu_diag.errors import InputError
from htmu_diag.operators.allreduce import AllReduced
from htmu_diag.operators.base import Operator
from htmu_diag.operators.memory import available_bytes
from htmu_diag.solvers.gauss_rules import averaged, with_moments
from htmu_diag.solvers.lanczos import Reorthogonalize, lanczos, start_vector
from htmu_diag.solvers.outliers import Outliers
from htmu_diag.spectrum import Estimator, Floats, Source, Spectrum

__all__ = ["spectral_density"]

_TOGETHER = 16  # directions held at once: a quarter of the basis of a run of 64
_SHARE = 8  # one product in eight is single; 1/16 to 1/4 did equally well for W1, the trace gains with more


def spectral_density(
    operator: Operator,
    source: Source,
    *,
    steps: int = 64,
    probes: int = 4,
    deflate: Literal["auto", "never"] = "auto",
    reorthogonalize: Reorthogonalize = "selective",
    memory_limit: int | None = None,
    rng: torch.Generator | None = None,
) -> Spectrum:
    """Nodes and weights of total mass 1, from at most ``steps * probes`` products, all counted in the estimator.

    deflate: "auto" splits the products between ``probes`` Lanczos runs and single ones, and removes the errors named
    above; "never" is plain stochastic Lanczos quadrature.
    memory_limit: bytes for basis and outlier vectors, half of the free memory by default; where the basis does not fit
    nothing is stored, and outliers keep their measured weights.
    scalars: ``trace_stderr`` from the scatter of the probes, where there are two or more, and from what the outliers
    that count as converged may be off. Where the runs resolve nearly the whole spectrum it is too small: at 256
    products on a kernel of dimension 180 the trace was off by up to 5e-5 of itself.
    Raises InputError for no steps or probes, MeasurementError for a NaN product.
    """
    if steps < 1 or probes < 1:
        raise InputError(f"{source.label()}: needs steps >= 1 and probes >= 1, got {steps} and {probes}")
    size = operator.shape[0]
    rows = _limit(operator, memory_limit) // (size * operator.dtype.itemsize)
    reorthogonalize = reorthogonalize if rows >= min(steps, size) + 2 else "none"
    room = rows - min(steps, size) - 2 if deflate == "auto" and reorthogonalize != "none" else 0
    plan = _Plan(operator, Outliers(size, room), reorthogonalize, rng or torch.Generator().manual_seed(0))
    runs, singles = _split(steps, probes, size) if deflate == "auto" else ([steps] * probes, 0)
    measures = [plan.run(count, refine=deflate == "auto") for count in runs]
    return _spectrum(plan, measures, plan.singles(singles), source)


def _limit(operator: Operator, memory_limit: int | None) -> int:
    """Bytes to use; the smallest of all ranks where the operator is distributed."""
    limit = available_bytes(operator.device) // 2 if memory_limit is None else memory_limit
    return operator.agreed(limit) if isinstance(operator, AllReduced) else limit


def _split(steps: int, probes: int, size: int) -> tuple[list[int], int]:
    """Lengths of the runs, and the number of single products; a small operator is resolved by full runs instead."""
    budget = steps * probes
    singles = budget // _SHARE if steps < size and steps > 1 else 0
    each, over = divmod(budget - singles, probes)
    return [each + (index < over) for index in range(probes)], singles


@dataclass(frozen=True)
class _Measure:
    """What one probe saw besides the outliers known when it ended: nodes and weights of the rest of the unit mass."""

    values: Floats
    weights: Floats
    start: torch.Tensor
    products: int
    known: int

    def completed(self, outliers: Outliers) -> tuple[Floats, Floats]:
        """Nodes and weights of mass 1 without the outliers, those found later included."""
        weights = self.weights.copy()
        later = outliers.overlaps(self.start)[self.known :]
        for value, mass in zip(outliers.values[self.known :], later, strict=True):
            _take_nearest(self.values, weights, value, mass)
        left = float(weights.sum())
        return (self.values, weights / left) if left > 0 else (np.zeros(0), np.zeros(0))


@dataclass(frozen=True)
class _Plan:
    """The operator, what is known about it so far, and where directions come from."""

    operator: Operator
    outliers: Outliers
    policy: Reorthogonalize
    rng: torch.Generator

    @property
    def free(self) -> int:
        return self.operator.shape[0] - len(self.outliers.values)

    def run(self, steps: int, *, refine: bool) -> _Measure:
        """One Lanczos run orthogonal to the known outliers; adds those that it finds."""
        start = start_vector(self.operator, self.rng)
        if self.free < 1:
            return _Measure(np.zeros(0), np.zeros(0), start, 0, len(self.outliers.values))
        unseen = max(0.0, 1.0 - float(self.outliers.overlaps(start).sum()))
        count, against = min(steps, self.free), self.outliers.blocks
        run = lanczos(self.operator, steps=count, v0=start, reorthogonalize=self.policy, against=against)
        exact = run.exhausted or run.steps == self.free
        theta, vectors = run.ritz()
        weights = vectors[0] ** 2 * unseen
        single = np.zeros(theta.size, bool)
        if refine and run.basis is not None:
            single = self.outliers.add(run, weights * self.operator.shape[0])
        values, weights = theta[~single], weights[~single]
        if refine and not exact:
            values, weights = averaged(values, weights)
        return _Measure(values, weights, start, run.steps, len(self.outliers.values))

    def singles(self, count: int) -> Floats:
        """v . A v and |A v|^2 of ``count`` new directions orthogonal to the outliers, (count, 2); none if none is left.

        The outliers are projected out of the directions together, and out of the products by their lengths alone.
        """
        found = [np.zeros((0, 2))]
        for first in range(0, count if self.free > 0 else 0, _TOGETHER):
            starts = [start_vector(self.operator, self.rng) for _ in range(first, min(first + _TOGETHER, count))]
            rows = self.outliers.remove(torch.stack(starts))
            rows /= rows.norm(dim=1, keepdim=True)
            products = torch.stack([self.operator.matvec(row) for row in rows]).to(rows.dtype)
            inside = self.outliers.squares(products)
            forms, squares = (rows * products).sum(1), products.square().sum(1)
            found.append(torch.stack([forms, squares - inside], dim=1).double().cpu().numpy())
        return np.concatenate(found)


def _spectrum(plan: _Plan, measures: list[_Measure], samples: Floats, source: Source) -> Spectrum:
    outliers, size = plan.outliers, plan.operator.shape[0]
    rules = [rule for rule in (measure.completed(outliers) for measure in measures) if rule[0].size]
    count = len(outliers.values)
    share = (1.0 - count / size) / max(len(rules), 1)
    values = np.concatenate([np.zeros(0), *[nodes for nodes, _ in rules]])
    weights = np.concatenate([np.zeros(0), *[mass for _, mass in rules]]) * share
    seen = np.array([[nodes @ mass, nodes**2 @ mass] for nodes, mass in rules]).reshape(-1, 2)
    moments = np.concatenate([seen, samples])
    if len(samples) and len(rules):
        weights = with_moments(values, weights, *moments.mean(0))
    known = np.full(count, 1.0 / size)
    runs = f"{'+'.join(str(measure.products) for measure in measures)} steps, {len(samples)} single products"
    routine = f"slq {runs}, {count} outliers exact, {plan.policy} reorthogonalisation"
    products = sum(measure.products for measure in measures) + len(samples)
    stderr = (
        (size - count) * float(np.std(moments[:, 0], ddof=1)) / math.sqrt(len(moments)) if len(moments) > 1 else 0.0
    )
    stderr = math.hypot(stderr, sum(outliers.errors))
    return Spectrum(
        *_merged(np.concatenate([values, outliers.values]), np.concatenate([weights, known])),
        dimension=size,
        source=source,
        estimator=Estimator("quadrature", routine, products),
        scalars={"trace_stderr": stderr} if len(moments) > 1 or count == size else {},
    )


def _take_nearest(values: Floats, weights: Floats, value: float, mass: float) -> None:
    """Remove ``mass`` from the nodes nearest to ``value``, in place: the cheapest way to move it (Wasserstein-1)."""
    for index in np.argsort(np.abs(values - value)):
        taken = min(mass, weights[index])
        weights[index] -= taken
        mass -= taken
        if mass <= 0:
            return


def _merged(values: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """One node for each distinct value, without empty ones."""
    distinct, places = np.unique(values, return_inverse=True)
    mass: Floats = np.bincount(places, weights, minlength=distinct.size).astype(np.float64)
    return distinct[mass > 0], mass[mass > 0]
