"""The spectral density of an operator by stochastic Lanczos quadrature, with the outliers known exactly.

A random direction v sees the measure sum_i (v . x_i)^2 delta(lambda_i), on average the spectral measure with mass 1/N
each. Its Gauss rule (m Lanczos steps) is very good; what is bad is the chance factor (v . x_i)^2 N ~ chi^2_1 on the few
eigenvalues that hold most of the trace: more steps do not reduce it. But an isolated eigenvalue whose Ritz pair has
converged is *known*, so it gets its exact mass 1/N and the remaining mass goes to the other nodes in proportion.
That costs no product. Later probes are kept orthogonal to the vectors found so far (their products then resolve what
is left), and what earlier probes had put near an eigenvalue found later is taken away from their nearest nodes.

The guard: giving mass 1/N to what is not one eigenvalue does harm. A Ritz pair counts as one eigenvalue only if
- its residual is far below the gap to its neighbours (so the pair is not a blurred group), and
- its weight is believable: N (v . x)^2 below the 99.9 % quantile of chi^2_1, and the sum over all accepted pairs below
  that of chi^2_k; otherwise it is multiple (a null space, two equal clusters) and keeps its measured weight.
Directions are uniform on the sphere: there deflation does not raise the variance of the trace, 2 sum lambda_i^2 over
what is not deflated. With Rademacher entries it can, on operators close to diagonal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import chi2

from htmu_diag.errors import InputError
from htmu_diag.operators.base import Operator
from htmu_diag.solvers.lanczos import Reorthogonalize, Tridiagonal, lanczos, start_vector
from htmu_diag.solvers.orthogonality import project_out
from htmu_diag.spectrum import Estimator, Floats, Source, Spectrum

__all__ = ["spectral_density"]

_BELIEVABLE = 0.999
_ANGLE = 0.02  # residual over gap: sine of the angle to an eigenvector; 0.01 to 0.05 did equally well on small networks


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

    deflate: "auto" gives converged outliers their exact mass, "never" is plain stochastic Lanczos quadrature.
    memory_limit: bytes for basis and outlier vectors; beyond it nothing is stored or deflated.
    scalars: ``trace_stderr`` from the scatter of the probes, where there are two or more.
    Raises InputError for no steps or probes, MeasurementError for a NaN product.
    """
    if steps < 1 or probes < 1:
        raise InputError(f"{source.label()}: needs steps >= 1 and probes >= 1, got {steps} and {probes}")
    rng = rng or torch.Generator().manual_seed(0)
    size, item = operator.shape[0], operator.dtype.itemsize
    if memory_limit is not None and (2 * min(steps, size) + probes) * size * item > memory_limit:
        deflate, reorthogonalize = "never", "none"
    if reorthogonalize == "none":
        deflate = "never"
    outliers = _Outliers(size, keep=probes > 1)
    measures = [_probe(operator, outliers, steps, reorthogonalize, deflate == "auto", rng) for _ in range(probes)]
    rules = [measure.completed(outliers) for measure in measures]
    values = np.concatenate([values for values, _ in rules])
    weights = np.concatenate([weights for _, weights in rules]) / probes
    traces = [size * float(nodes @ mass) for nodes, mass in rules]
    routine = f"slq {steps}x{probes}, {len(outliers.values)} outliers exact, {reorthogonalize} reorthogonalisation"
    return Spectrum(
        *_merged(values, weights),
        dimension=size,
        source=source,
        estimator=Estimator("quadrature", routine, sum(measure.products for measure in measures)),
        scalars={} if probes < 2 else {"trace_stderr": float(np.std(traces, ddof=1) / math.sqrt(probes))},
    )


class _Outliers:
    """Eigenvalues known to be single, with their vectors where other probes need them (``keep``)."""

    def __init__(self, size: int, *, keep: bool) -> None:
        self.size, self.keep = size, keep
        self.values: list[float] = []
        self.vectors: torch.Tensor | None = None

    def add(self, values: Floats, run: Tridiagonal, columns: Floats) -> None:
        if not self.keep:
            self.values += [float(value) for value in values]
            return
        for value, vector in zip(values, run.lift(columns), strict=True):
            row = vector.clone()
            if self.vectors is not None:
                project_out(self.vectors, row, passes=2)
            row = (row / row.norm())[None]
            self.vectors = row if self.vectors is None else torch.cat([self.vectors, row])
            self.values.append(float(value))

    def overlaps(self, start: torch.Tensor) -> Floats:
        """(x . v)^2 for each known vector x, (k,)."""
        if self.vectors is None:
            return np.zeros(0)
        found: Floats = (self.vectors @ start).double().cpu().numpy() ** 2
        return found


@dataclass
class _Measure:
    """What one probe saw besides the outliers known when it ended."""

    values: Floats
    weights: Floats
    start: torch.Tensor
    products: int
    known: int
    plain: tuple[Floats, Floats] = field(default_factory=lambda: (np.zeros(0), np.zeros(0)))

    def completed(self, outliers: _Outliers) -> tuple[Floats, Floats]:
        """Nodes and weights of mass 1, with every outlier at mass 1/N."""
        weights = self.weights.copy()
        later = outliers.overlaps(self.start)[self.known :]
        for value, mass in zip(outliers.values[self.known :], later, strict=True):
            _take_nearest(self.values, weights, value, mass)
        left, count = float(weights.sum()), len(outliers.values)
        if left <= 0.0 and count < outliers.size:
            return self.plain
        rest = weights * ((1.0 - count / outliers.size) / left) if left > 0 else weights
        exact = np.full(count, 1.0 / outliers.size)
        return np.concatenate([self.values, outliers.values]), np.concatenate([rest, exact])


def _probe(
    operator: Operator,
    outliers: _Outliers,
    steps: int,
    policy: Reorthogonalize,
    deflate: bool,
    rng: torch.Generator,
) -> _Measure:
    start = start_vector(operator, rng)
    free = operator.shape[0] - len(outliers.values)
    if free < 1:
        return _Measure(np.zeros(0), np.zeros(0), start, 0, len(outliers.values))
    unseen = max(0.0, 1.0 - float(outliers.overlaps(start).sum()))
    run = lanczos(operator, steps=min(steps, free), v0=start, reorthogonalize=policy, against=outliers.vectors)
    theta, vectors = run.ritz()
    weights = vectors[0] ** 2 * unseen
    plain = (theta, vectors[0] ** 2)
    single = _single(run, theta, vectors, weights * operator.shape[0]) if deflate else np.zeros(theta.size, bool)
    if single.any():
        outliers.add(theta[single], run, vectors[:, single])
    return _Measure(theta[~single], weights[~single], start, run.steps, len(outliers.values), plain)


def _single(run: Tridiagonal, theta: Floats, vectors: Floats, chances: Floats) -> npt.NDArray[np.bool_]:
    """Which Ritz pairs are one known eigenvalue each; ``chances`` are N (v . x)^2."""
    padded = np.concatenate([[-np.inf], theta, [np.inf]])
    gaps = np.minimum(np.diff(padded)[:-1], np.diff(padded)[1:])
    scale = float(np.abs(theta).max())
    noise = 20 * _eps(run) * scale
    tight = run.residuals(vectors) + noise <= _ANGLE * np.minimum(gaps, scale)
    single: npt.NDArray[np.bool_] = tight & (chances <= chi2.ppf(_BELIEVABLE, 1))
    count = int(single.sum())
    if count and chances[single].sum() > chi2.ppf(_BELIEVABLE, count):
        return np.zeros_like(single)
    return single


def _eps(run: Tridiagonal) -> float:
    return float(torch.finfo(run.basis.dtype).eps) if run.basis is not None else 1.0


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
