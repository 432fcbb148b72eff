"""kappa near N, the number of eigenvalues, where the density hardly tells one kappa from another.

At a third of N the density is likeliest at noise in every other sample of a hundred values. The joint density of the
eigenvalues tells the two apart by six standard errors (``joint_repulsion``), so where the interval of the density
reaches N the joint density decides: what is not clearly less than noise has is noise, and what is clearly less is
kappa. Where its interval lies below that of the density the two contradict each other (doubled eigenvalues), no kappa
describes both, and the density's is kept.
"""

from __future__ import annotations

import math
from dataclasses import replace

from htmu_diag.fits.htmp_problem import Problem, noise_status
from htmu_diag.fits.intervals import Z95, log_interval
from htmu_diag.fits.joint_repulsion import joint_stderr
from htmu_diag.fits.results import Interval, LawFit, Status

__all__ = ["least_of_noise", "settled_near_noise"]

_CLEARLY = 2.33  # standard errors below noise from which on it is none: one noise matrix in a hundred


def least_of_noise(repulsion: float, n: float, gamma: float) -> float | None:
    """Lower end of the 95 % interval of kappa where the joint density's repulsion may be noise's; None where it is
    clearly less."""
    if math.log(repulsion) < -_CLEARLY * joint_stderr(1.0, n, gamma):
        return None
    return n * min(repulsion * math.exp(-Z95 * joint_stderr(repulsion, n, gamma)), 1.0)


def settled_near_noise(fit: LawFit, problem: Problem, repulsion: float) -> LawFit:
    """The fit, its kappa settled by the ``repulsion`` of the joint density where the density's interval reaches N."""
    n, gamma = problem.total, problem.matrix_gamma
    low, high = fit.kappa_interval
    if not (fit.noise or high >= n):
        return fit
    least = least_of_noise(repulsion, n, gamma)
    if least is not None:
        kappa = fit.kappa if fit.noise else math.inf
        return _with_kappa(fit, kappa, math.inf, (least, math.inf), noise_status(n))
    kappa, stderr = n * repulsion, joint_stderr(repulsion, n, gamma)
    interval = log_interval(kappa, stderr)
    if interval[1] < low:
        return fit
    message = "the density is nearly that of noise; kappa is that of the eigenvalues' joint density"
    return _with_kappa(fit, kappa, kappa * stderr, interval, Status("ok", message), joint=True)


def _with_kappa(
    fit: LawFit, kappa: float, stderr: float, interval: Interval, status: Status, *, joint: bool = False
) -> LawFit:
    exponent, exponents = fit.tail_exponent, fit.tail_exponent_interval
    if not math.isnan(exponent):
        slope = (exponent - 1) / fit.kappa
        exponent = 1 + kappa * slope if kappa < math.inf else exponent
        exponents = 1 + interval[0] * slope, 1 + interval[1] * slope
    return replace(
        fit,
        parameters={**fit.parameters, "kappa": kappa},
        stderr={**fit.stderr, "kappa": stderr},
        intervals={**fit.intervals, "kappa": interval},
        tail_exponent=exponent,
        tail_exponent_interval=exponents,
        status=status,
        joint=joint,
    )
