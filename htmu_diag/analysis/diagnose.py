"""From a spectrum to a diagnosis: the one pipeline, used live by the monitor and offline on stored spectra.

Fits of weight matrices use HTMP, fits of feature kernels inverse HTMP (the orientation that the field uses); both are
fitted and their likelihoods compared. Indefinite operators and samples of lengths have no Marchenko-Pastur bulk: only
their tails are fitted.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from htmu_diag.analysis.diagnosis import Diagnosis
from htmu_diag.analysis.evidence import allowed_by_shape, phase_evidence, pooled_matrices, tail_within
from htmu_diag.analysis.given_values import checked_spectrum
from htmu_diag.analysis.living import living_part
from htmu_diag.analysis.options import Options
from htmu_diag.analysis.outliers import outliers_of
from htmu_diag.analysis.repulsion import read_repulsion, with_cause
from htmu_diag.analysis.shape import SpectrumShape, numerical_zero, shape_of
from htmu_diag.analysis.tied import tied_words
from htmu_diag.arguments import RATIO, checked, instance, optional
from htmu_diag.fits import (
    LawFit,
    fit_htmp,
    fit_htmp_bulk,
    fit_inverse_gamma,
    fit_marchenko_pastur,
    fit_power_law,
    gap_ratio,
)
from htmu_diag.fits.law_ranking import rank_laws
from htmu_diag.fits.series import fit_series
from htmu_diag.kinds import Orientation
from htmu_diag.spectrum import Floats, Spectrum
from htmu_diag.theory import PhaseReading, classify
from htmu_diag.theory.near_zero import near_zero_share
from htmu_diag.theory.phases import COLLAPSED, NOT_CLASSIFIED, pooled_reading
from htmu_diag.theory.predictions import noise_exponent, predict, scanned_noise_exponent

__all__ = ["diagnose"]


@checked(options=optional(instance("htmu_diag.Options(...)", Options)), gamma=optional(RATIO))
def diagnose(
    spectrum: Spectrum | npt.ArrayLike,
    options: Options | None = None,
    *,
    gamma: float | None = None,
    shape: tuple[int, int] | None = None,
) -> Diagnosis:
    """Fit everything that makes sense for this spectrum. Never raises on finite values: outcomes are statuses.

    Eigenvalues alone, (n,), come with ``gamma=`` or ``shape=`` of their matrix; InputError as of `given_spectrum`.
    """
    spectrum = checked_spectrum(spectrum, gamma, shape)
    options = options or Options()
    found = shape_of(spectrum)
    if spectrum.estimator.method == "quadrature":
        return _diagnose_quadrature(spectrum, found, options)
    signed = options.magnitudes and not spectrum.source.kind.bulk
    values = np.abs(spectrum.values) if signed else spectrum.values
    positive = values[values > numerical_zero(spectrum.dimension, values.max(initial=0.0))]
    if options.tail_only:
        return Diagnosis(spectrum, found, fit_power_law(positive))
    if spectrum.path is not None:
        return _diagnose_series(spectrum, spectrum.path, found, options)
    pooled = pooled_matrices(spectrum)
    if spectrum.source.kind.bulk and not spectrum.is_censored and pooled == 1:
        return _diagnose_matrix(spectrum, found, positive, options)
    tail = fit_power_law(positive, bootstrap=options.bootstrap, rng=options.rng(spectrum.source))
    lower = fit_power_law(positive, tail="lower") if spectrum.source.kind.lower_tail else None
    return Diagnosis(spectrum, found, tail, lower, phase=pooled_reading(pooled) if pooled > 1 else NOT_CLASSIFIED)


def _diagnose_matrix(spectrum: Spectrum, shape: SpectrumShape, positive: Floats, options: Options) -> Diagnosis:
    source, living = spectrum.source, living_part(spectrum)
    kernel = source.kind.orientation == "inverse"
    tail = fit_power_law(positive, bootstrap=options.bootstrap, rng=options.rng(source))
    rounded = np.concatenate([np.zeros(spectrum.values.size - positive.size), positive])  # else rounding is a bulk
    whole = allowed_by_shape(rounded, source.shape)
    near_zero, allowed = near_zero_share(whole, source.gamma), allowed_by_shape(whole, living.shape)
    foretold = _fit_that_foretells_zeros(positive, allowed, living.gamma, source.kind.orientation)
    lost = near_zero_share(allowed, living.gamma)
    dead_rows = foretold is None and positive.size < allowed.size and lost < COLLAPSED  # the others are a matrix
    gamma = positive.size / max(living.shape) if dead_rows else living.gamma
    rounded = positive if dead_rows else allowed if living.zeros else rounded
    fitted = allowed if foretold else positive
    htmp = foretold or fit_htmp(positive, gamma, orientation=source.kind.orientation)
    bulk, noise = fit_marchenko_pastur(rounded, gamma), scanned_noise_exponent(positive.size, gamma)
    gaps = gap_ratio(positive)
    repulsion = read_repulsion(positive, gamma, htmp, gaps, inverse=kernel)
    phase = classify(phase_evidence(allowed, lost, tail.as_of_signal(), bulk, gamma, noise))
    return Diagnosis(
        spectrum,
        replace(shape, gamma=gamma),
        tail_within(tail, phase.phase, bulk.n_spikes),
        lower=fit_power_law(positive, tail="lower") if source.kind.lower_tail else None,
        bulk=bulk,
        htmp=htmp,
        htmp_other=fit_htmp(fitted, gamma, orientation="direct" if kernel else "inverse"),
        inverse_gamma=fit_inverse_gamma(positive) if kernel else None,
        htmp_bulk=None if kernel else fit_htmp_bulk(fitted, gamma, bulk),
        laws=rank_laws(positive, gamma),
        gaps=gaps,
        repulsion=repulsion,
        alpha_noise=noise_exponent(tail, gamma),
        prediction=predict(htmp, tail),
        phase=_with_ties(living.within(with_cause(phase, repulsion), near_zero, whole.size), positive),
        near_zero=near_zero,
    )


def _with_ties(phase: PhaseReading, positive: Floats) -> PhaseReading:
    """The reason with what tied eigenvalues say; of equal ones it says so already."""
    tied = "" if phase.name else tied_words(positive)
    return replace(phase, reason=f"{phase.reason}; {tied}") if tied else phase


def _fit_that_foretells_zeros(
    positive: Floats, allowed: Floats, gamma: float, orientation: Orientation
) -> LawFit | None:
    """The HTMP fit to zeros and all, where the law has half as many values there or more, which rounding lost; None
    where there are none, or where they are no part of a bulk (dead rows, a low rank)."""
    zeros = allowed.size - positive.size
    if zeros <= 0:
        return None
    whole = fit_htmp(allowed, gamma, orientation=orientation)
    zero = numerical_zero(allowed.size, allowed[-1])
    return whole if whole.law is not None and allowed.size * float(whole.law.cdf(zero)) >= zeros / 2 else None


def _diagnose_series(spectrum: Spectrum, path: Floats, shape: SpectrumShape, options: Options) -> Diagnosis:
    """Tails of what is left after a running median: those of the values themselves would be their drift."""
    fit = fit_series(path, bootstrap=options.bootstrap, rng=options.rng(spectrum.source))
    return Diagnosis(spectrum, shape, fit.upper, fit.lower, series=fit)


def _diagnose_quadrature(spectrum: Spectrum, shape: SpectrumShape, options: Options) -> Diagnosis:
    """Nodes are not eigenvalues: the tail is that of the outliers; kernels are fitted by weighted likelihood."""
    source = spectrum.source
    outliers = outliers_of(spectrum, magnitudes=options.magnitudes)
    tail = fit_power_law(outliers, bootstrap=options.bootstrap, rng=options.rng(source))
    if not source.kind.bulk:
        return Diagnosis(spectrum, shape, tail)
    keep = spectrum.values > numerical_zero(spectrum.dimension, shape.lambda_max)
    weights = spectrum.masses[keep] * spectrum.dimension
    htmp = fit_htmp(spectrum.values[keep], source.gamma, orientation=source.kind.orientation, weights=weights)
    return Diagnosis(spectrum, shape, tail, htmp=htmp, prediction=predict(htmp, tail))
