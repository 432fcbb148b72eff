"""What fits return: frozen values with an outcome in words, never -1 and never a bare tuple."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from htmu_diag.fits.law_reading import LawReading, Place
from htmu_diag.fits.repulsion import matrix_kappa
from htmu_diag.laws.base import Law
from htmu_diag.spectrum import Floats

__all__ = ["BulkFit", "Code", "Comparison", "GapRatio", "HillPlot", "Interval", "LawFit", "Status"]

Interval = tuple[float, float]
UNKNOWN: Interval = (math.nan, math.nan)

Code = Literal[
    "ok",  # the estimate stands
    "too_few_values",  # fewer values than the estimator needs
    "degenerate",  # all equal, or so few distinct values that nothing is identified
    "bad_values",  # NaN, infinite, zero or negative where the law has none
    "not_a_power_law",  # the goodness-of-fit test rejects the power law, or a lighter tail is far likelier
    "noise",  # kappa is N or more: as much repulsion as noise has, no estimate of it
    "at_boundary",  # the likelihood still rises at the edge of the parameter domain
    "not_converged",  # the optimiser stopped early
]


@dataclass(frozen=True)
class Status:
    """The outcome of a fit: a code, and a sentence that says what happened and what to do about it."""

    code: Code = "ok"
    message: str = ""

    @property
    def ok(self) -> bool:
        """True where the estimate may be used; a numerical outcome is never an exception."""
        return self.code == "ok"


@dataclass(frozen=True)
class LawFit:
    """A law fitted to a whole spectrum by maximum likelihood.

    law: the fitted law, None where the fit failed (the status says why).
    parameters: name -> estimate; stderr and intervals (95 %) under the same names.
    kappa, kappa_stderr, kappa_interval, scale: shorthands; NaN for laws without them.
    floor: the shift tau subtracted from the values before the fit (0 without one).
    until: where the fitted part of the spectrum ends; infinite where the law was fitted to all of it.
    tail_exponent: implied density exponent of the upper tail (inverse HTMP), NaN where the tail is not a power law.
    ks_distance, ad_distance: Kolmogorov-Smirnov and Anderson-Darling distances to the fitted law (the latter only of
        HTMP fits to whole spectra).
    p_value: of the KS distance, from the null law of the random-matrix model; NaN where there is none.
    misses: where the law is furthest from the data.
    log_likelihood: sum over the values used (weighted sum for quadrature spectra).
    alternatives: other orientations or laws tried, name -> log-likelihood.
    joint: kappa is that of the eigenvalues' joint density (``near_noise``), where the law's own is hardly known.
    """

    family: str
    law: Law | None
    parameters: Mapping[str, float]
    stderr: Mapping[str, float] = field(default_factory=dict)
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    floor: float = 0.0
    until: float = math.inf
    tail_exponent: float = math.nan
    tail_exponent_interval: Interval = UNKNOWN
    n: int = 0
    ks_distance: float = math.nan
    ad_distance: float = math.nan
    p_value: float = math.nan
    log_likelihood: float = math.nan
    alternatives: Mapping[str, float] = field(default_factory=dict)
    status: Status = Status()
    misses: Place = ""
    joint: bool = False

    @property
    def noise(self) -> bool:
        """Whether kappa is N or more, which is all that can be said of it then."""
        return self.kappa >= self.n

    @property
    def reading(self) -> LawReading:
        """Whether the law describes the data."""
        if self.law is None:
            return LawReading("no fit", self.status.message)
        found = LawReading.of(self.ks_distance, self.p_value, self.misses, noise=self.noise, n=self.n)
        return replace(found, reason=f"{found.reason}; {self.status.message}") if self.joint else found

    @property
    def kappa(self) -> float:
        """Eigenvalue repulsion; NaN for a law without one."""
        return self.parameters.get("kappa", math.nan)

    @property
    def matrix_kappa(self) -> float:
        """kappa of the matrix model whose n eigenvalues these may be, n for noise."""
        return self.kappa if self.joint else matrix_kappa(self.kappa, self.n)

    @property
    def kappa_stderr(self) -> float:
        return self.stderr.get("kappa", math.nan)

    @property
    def kappa_interval(self) -> Interval:
        return self.intervals.get("kappa", UNKNOWN)

    @property
    def scale(self) -> float:
        return self.parameters.get("scale", math.nan)


@dataclass(frozen=True)
class BulkFit:
    """A Marchenko-Pastur bulk with spikes above it.

    scale: variance of the matrix entries, robust to the spikes.
    law: of the bulk that the k spikes leave, an (n - k) x (N - k) matrix; without spikes its mean is ``scale``.
    lower_edge, upper_edge: edges of that law. threshold: the value that the largest of its eigenvalues exceeds once in
        a thousand matrices (beside a spike: in twenty); what lies beyond counts as a spike.
    spikes: (n_spikes,) ascending, the values beyond the threshold.
    ks_distance: of the bulk below the threshold to its law; p_value: share of noise bulks that lie further from theirs.
    edge_p_value: share of noise matrices of the whole shape whose largest eigenvalue reaches as far as this one.
    Both p-values are 1e-4 at least, and NaN for quadrature rules.
    """

    gamma: float
    scale: float
    lower_edge: float
    upper_edge: float
    threshold: float
    spikes: Floats
    n: int
    ks_distance: float = math.nan
    p_value: float = math.nan
    law: Law | None = None
    status: Status = Status()
    edge_p_value: float = math.nan

    @property
    def n_spikes(self) -> int:
        return int(self.spikes.size)

    @property
    def bulk_gamma(self) -> float:
        """Aspect ratio of the bulk that the spikes leave."""
        return self.gamma * (self.n - self.n_spikes) / (self.n - self.gamma * self.n_spikes)


@dataclass(frozen=True)
class GapRatio:
    """mean of the n gap ratios with its standard error; NaN where the status is not ok."""

    mean: float
    stderr: float
    n: int
    status: Status = Status()


@dataclass(frozen=True)
class Comparison:
    """Two fitted tail laws. log_ratio > 0 favours the first, < 0 the second; p_value: chance of so large a |ratio|.

    normalized_ratio: R/(sqrt(n) sigma), standard normal for laws apart. nested: one family contains the other.
    status: of the worse of both fits; the p-value is NaN where one has not converged.
    """

    first: LawFit
    second: LawFit
    log_ratio: float
    normalized_ratio: float
    p_value: float
    nested: bool
    status: Status = Status()


@dataclass(frozen=True)
class HillPlot:
    """k: (m,) = 2..n-1; hill, hill_stderr (hill/sqrt k), moment, pickands: (m,) estimates of xi.

    Pickands needs 4 k values and is NaN beyond; so is what repeated values make undefined.
    """

    k: Floats
    hill: Floats
    hill_stderr: Floats
    moment: Floats
    pickands: Floats
    status: Status = Status()

    @property
    def alpha(self) -> Floats:
        """The density exponent 1 + 1/xi that Hill's estimate stands for, (m,)."""
        with np.errstate(divide="ignore"):
            return np.asarray(1 + 1 / self.hill)
