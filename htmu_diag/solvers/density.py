"""The spectral density of an operator by stochastic Lanczos quadrature, with its three largest errors removed.

A random direction v sees the measure sum_i (v . x_i)^2 delta(lambda_i), on average the spectral measure with mass 1/N
each; m Lanczos steps give its Gauss rule.

1. The chance factor (v . x_i)^2 N ~ chi^2_1 on the few eigenvalues that hold most of the trace: more steps do not help.
   An isolated eigenvalue whose Ritz pair has converged is *known* (``outliers.py``): it gets its exact mass 1/N and
   the remaining mass goes to the other nodes in proportion. Later probes are kept orthogonal to the vectors found so
   far, and what earlier probes had put near an eigenvalue found later is taken away from their nearest nodes.
2. The staircase of few nodes: the last rules of every run are averaged (``gauss_rules.py``). No product.
3. The chance error of the first moments in what is left: an eighth of the products goes to single ones. Each gives
   v . A v and |A v|^2 of its own direction, which is worth as much for these moments as a run. They are pooled with
   those of the runs (``moments.py``) and imposed on the rules.

Directions are uniform on the sphere: there deflation does not raise the variance of the trace, 2 sum lambda_i^2 over
what is not deflated. With Rademacher entries it can, on operators close to diagonal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch

from htmu_diag.arguments import checked, one_of, optional, whole
from htmu_diag.errors import InputError
from htmu_diag.model.arguments import BYTES, OPERATOR, RANDOM, SOURCE
from htmu_diag.operators.allreduce import AllReduced
from htmu_diag.operators.base import Operator
from htmu_diag.operators.memory import available_bytes
from htmu_diag.solvers.exact import type_name
from htmu_diag.solvers.gauss_rules import averaged, with_moments
from htmu_diag.solvers.halved import HALF
from htmu_diag.solvers.moments import Direction, pooled
from htmu_diag.solvers.orthogonality import project_out
from htmu_diag.solvers.outliers import Mask, Outliers, believable, converged
from htmu_diag.solvers.probe_measure import ProbeMeasure
from htmu_diag.solvers.run_lengths import Runs, given_up, planned
from htmu_diag.solvers.tridiagonal import Reorthogonalize, gaussian, lanczos, start_vector
from htmu_diag.spectrum import Estimator, Floats, Source, Spectrum
from htmu_diag.warned import warn

__all__ = ["spectral_density"]


@checked(
    operator=OPERATOR,
    source=SOURCE,
    steps=whole(),
    probes=whole(),
    deflate=one_of("auto", "never"),
    reorthogonalize=one_of("full", "selective", "none"),
    memory_limit=optional(BYTES),
    rng=RANDOM,
)
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
    memory_limit: bytes for all vectors held here, half of the free memory by default: the largest outliers that fit are
    kept. Where it is given and whole runs do not fit beside their outliers, the basis is kept in half of its bytes,
    which moves W1 by 0.001 of mean |lambda|. Where whole runs and half as many outliers do not fit, shorter ones spend
    as many products (not with "never"); where sixteen steps and three outliers do not fit, no basis is kept and
    outliers keep their measured weights. A warning says what is given up and what it cost on four networks: W1 over
    mean |lambda| of 64 products is 0.04 from 64 vectors on, 0.05 from 36, 0.06 from 28, 0.09 from 22 and 0.16 below.
    The operator has a limit of its own for the graphs that it keeps; the memory of one product comes on top.
    values: 0 below the rounding of a product and below what the outliers may be off, where no sign is known.
    scalars: ``trace_stderr`` from the scatter of all directions beside the outliers, where there are two or more, and
    from rounding. The outliers' part of the trace has no other error (``outliers.py``). At 64 x 1 it is from nine
    directions: on decaying spectra the error was up to seven of it.
    Raises InputError for no steps or probes, MeasurementError for a NaN product.
    """
    if steps < 1 or probes < 1:
        raise InputError(f"{source.label()}: needs steps >= 1 and probes >= 1, got {steps} and {probes}")
    size, refine = operator.shape[0], deflate == "auto"
    limit, row = _limit(operator, memory_limit), size * operator.dtype.itemsize
    half = HALF.get(operator.dtype) if memory_limit is not None else None
    runs = planned(steps, probes, size, limit // row, reorthogonalize, refine=refine, halves=half is not None)
    if short := given_up(runs, steps * probes, row, type_name(half) if half else ""):
        limited = "half of the free memory" if memory_limit is None else f"memory_limit={limit} bytes"
        warn(f"htmu_diag: {source.label()}: {limited} {short}")
    plan = _Plan(operator, Outliers(size, runs.room), runs, rng or torch.Generator().manual_seed(0))
    measures = [plan.run(count, refine=refine) for count in runs.lengths]
    return _spectrum(plan, measures, plan.singles(runs.singles), source)


def _limit(operator: Operator, memory_limit: int | None) -> int:
    """Bytes to use; the smallest of all ranks where the operator is distributed."""
    limit = available_bytes(operator.device) // 2 if memory_limit is None else memory_limit
    return operator.agreed(limit) if isinstance(operator, AllReduced) else limit


@dataclass(frozen=True)
class _Plan:
    """The operator, what is known about it so far, and where directions come from."""

    operator: Operator
    outliers: Outliers
    runs: Runs
    rng: torch.Generator

    @property
    def free(self) -> int:
        return self.operator.shape[0] - len(self.outliers.values)

    def run(self, steps: int, *, refine: bool) -> ProbeMeasure:
        """One Lanczos run orthogonal to the known outliers; adds those that it finds."""
        again = partial(_drawn_again, self.operator, self.rng.get_state())
        start, norm = start_vector(self.operator, self.rng), self.outliers.norm
        if self.free < 1:
            return ProbeMeasure(np.zeros(0), np.zeros(0), again, 0, len(self.outliers.values))
        unseen = max(0.0, 1.0 - float(self.outliers.overlaps(start).sum()))
        run = lanczos(
            self.operator,
            steps=min(steps, self.free),
            v0=start,
            reorthogonalize=self.runs.policy,
            against=self.outliers.blocks,
            norm=norm,
            spare=self.outliers.room - len(self.outliers.values),
            halved=self.runs.halved,
        )
        exact = run.exhausted or run.steps == self.free
        theta, vectors = run.ritz()
        weights, kept, doubtful = vectors[0] ** 2 * unseen, np.zeros(theta.size, bool), np.zeros(theta.size, bool)
        if refine and run.basis is not None:
            isolated = converged(run, norm)
            single = believable(weights * self.operator.shape[0], isolated)
            kept, doubtful = self.outliers.add(run, single), isolated & ~single
        doubt = _doubt(theta[~kept], weights[~kept], doubtful[~kept], 1 / self.operator.shape[0])
        values, weights = theta[~kept], weights[~kept]
        if refine and not exact:
            values, weights = averaged(values, weights)
        return ProbeMeasure(values, weights, again, run.steps, len(self.outliers.values), doubt)

    def singles(self, count: int) -> list[Direction]:
        """``count`` new directions orthogonal to the outliers, a product each; none if nothing is left."""
        return [self._single() for _ in range(count if self.free > 0 else 0)]

    def _single(self) -> Direction:
        start = gaussian(self.operator, self.rng)
        start.div_(project_out(start, *self.outliers.blocks))
        product = self.operator.matvec(start).to(start.dtype)
        first = float(start[None] @ product)
        if self.runs.halved:  # the vectors are turned: what A takes back to them is seen, not reckoned from residuals
            return Direction((first, project_out(product, *self.outliers.blocks) ** 2))
        return Direction((first, float(product.norm()) ** 2 - self.outliers.leak))


def _drawn_again(operator: Operator, state: torch.Tensor) -> torch.Tensor:
    """The start of a run, from the state of the generator before it."""
    rng = torch.Generator()
    rng.set_state(state)
    return start_vector(operator, rng)


def _doubt(theta: Floats, weights: Floats, doubtful: Mask, share: float) -> tuple[float, float]:
    """What both moments would lose if the doubtful nodes had the mass ``share`` of one eigenvalue each."""
    if not doubtful.any():
        return 0.0, 0.0
    excess, mass = (weights - share)[doubtful], weights.sum()
    first, second = (float(np.linalg.norm(excess * (theta[doubtful] ** k - weights @ theta**k / mass))) for k in (1, 2))
    return first, second


def _spectrum(plan: _Plan, measures: list[ProbeMeasure], singles: list[Direction], source: Source) -> Spectrum:
    outliers, size = plan.outliers, plan.operator.shape[0]
    count = len(outliers.values)
    rest, mass, error = _rest(measures, singles, outliers)
    values = np.concatenate([rest, outliers.values])
    weights = np.concatenate([mass * (1.0 - count / size), np.full(count, 1.0 / size)])
    rounding = float(torch.finfo(plan.operator.dtype).eps) * outliers.norm
    zero = np.abs(values) <= max(rounding, outliers.resolution)
    stderr = math.hypot((size - count) * error, math.sqrt(count) * rounding, size * float(weights[zero] @ values[zero]))
    runs = f"{'+'.join(str(measure.products) for measure in measures)} steps, {len(singles)} single products"
    routine = f"slq {runs}, {count} outliers exact, {plan.runs.policy} reorthogonalisation"
    if plan.runs.halved:
        routine += f", basis in {type_name(HALF[plan.operator.dtype])}"
    return Spectrum(
        *_merged(np.where(zero, 0.0, values), weights),
        dimension=size,
        source=source,
        estimator=Estimator("quadrature", routine, sum(measure.products for measure in measures) + len(singles)),
        scalars={} if math.isnan(stderr) else {"trace_stderr": stderr},
    )


def _rest(measures: list[ProbeMeasure], singles: list[Direction], outliers: Outliers) -> tuple[Floats, Floats, float]:
    """Nodes and weights of mass 1 of what is beside the outliers, and the standard error of its mean."""
    if len(outliers.values) == outliers.size:
        return np.zeros(0), np.zeros(0), 0.0
    rules, directions = zip(*(measure.beside(outliers) for measure in measures), strict=True)
    values, weights = _mean_rule(rules, directions)
    if not values.size:  # all that the runs saw is known: what is left can only be further copies of it
        values, weights = np.array(outliers.values), np.full(len(outliers.values), 1.0 / len(outliers.values))
    said = [direction for direction in [*directions, *singles] if direction.share]
    if not said:
        return values, weights, math.nan
    (first, second), error = pooled(said)
    if outliers.values or singles:
        weights = with_moments(values, weights, first, second)
    return values, weights, math.hypot(error, float(weights @ values) - first)


def _mean_rule(rules: Sequence[tuple[Floats, Floats]], directions: Sequence[Direction]) -> tuple[Floats, Floats]:
    """The mean of rules of mass 1 by the shares of their directions; no nodes where all shares are 0."""
    total = sum(direction.share for direction in directions)
    scaled = [(nodes, mass * (d.share / total)) for (nodes, mass), d in zip(rules, directions, strict=True) if d.share]
    values, weights = zip((np.zeros(0), np.zeros(0)), *scaled, strict=True)
    return np.concatenate(values), np.concatenate(weights)


def _merged(values: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """One node for each distinct value, without empty ones."""
    distinct, places = np.unique(values, return_inverse=True)
    mass: Floats = np.bincount(places, weights, minlength=distinct.size).astype(np.float64)
    return distinct[mass > 0], mass[mass > 0]
