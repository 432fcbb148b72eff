"""What an HTMP fit is given, and the outcome in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from htmu_diag.fits.htmp_likelihood import Peak
from htmu_diag.fits.results import Status
from htmu_diag.spectrum import Floats

__all__ = ["Problem", "noise_status", "status_of"]


@dataclass(frozen=True)
class Problem:
    """Ascending values with masses; ``unseen`` eigenvalues lie below the smallest of them (top_k: by choice).

    cut: none of them lies above it, by choice; ``spikes`` eigenvalues of the matrix do.
    """

    values: Floats
    masses: Floats
    gamma: float
    unseen: float
    weighted: bool
    top_k: bool
    cut: float | None = None
    spikes: int = 0

    @property
    def n(self) -> int:
        return self.values.size

    @cached_property
    def known(self) -> float:
        """Eigenvalues that the values stand for."""
        return float(self.masses.sum()) if self.weighted else float(self.values.size)

    @cached_property
    def total(self) -> float:
        """Eigenvalues in all."""
        return self.known + self.unseen

    @cached_property
    def alike(self) -> bool:
        """Whether each value stands for one eigenvalue."""
        return not self.weighted or bool((self.masses == 1.0).all())

    @property
    def matrix_gamma(self) -> float:
        """Aspect ratio of a matrix of these eigenvalues alone, the spikes and a column for each left out."""
        return self.total / ((self.total + self.spikes) / self.gamma - self.spikes)

    @property
    def tested(self) -> bool:
        """Whether there is a null law: what is unseen is rounding, what is cut off are spikes."""
        return not self.weighted and not self.top_k


def noise_status(n: float) -> Status:
    """kappa of n eigenvalues has reached n, where the matrix model is that of noise."""
    message = f"kappa is N = {n:g} or more: the density is that of noise"
    return Status("noise", f"{message}; compare with a Marchenko-Pastur bulk")


def status_of(problem: Problem, peak: Peak) -> Status:
    if peak.u >= math.log(problem.n + problem.unseen) or (peak.edge and peak.u > 0):
        return noise_status(problem.n + problem.unseen)
    if peak.edge:
        return Status("at_boundary", "the likelihood still rises at kappa = 0.001; use the Gamma law")
    if not peak.settled or not math.isfinite(peak.u_stderr):
        return Status("not_converged", "the likelihood has no clear maximum; check that gamma belongs to these values")
    notes = ["weighted likelihood of quadrature nodes"] if problem.weighted else []
    notes += [f"censored likelihood: {problem.unseen:g} eigenvalues unseen"] if problem.unseen else []
    return Status("ok", "; ".join(notes))
