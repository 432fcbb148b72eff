"""The diagnoses of many matrices, stage by stage: each fit is made of all of them before the next one is.

Fits of small matrices are numpy calls that cost more than their work, and the matrices of a model are many: what takes
all of them at once pays for its calls once. What comes out for one of them is the same whatever else is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from htmu_diag.analysis.diagnosis import Diagnosis
from htmu_diag.analysis.evidence import allowed_by_shape, phase_evidence, tail_within
from htmu_diag.analysis.living import LivingPart, living_part
from htmu_diag.analysis.options import Options
from htmu_diag.analysis.repulsion import Repelling, read_repulsions, with_cause
from htmu_diag.analysis.shape import SpectrumShape, numerical_zero
from htmu_diag.analysis.tied import tied_words_of
from htmu_diag.fits import BulkFit, LawFit
from htmu_diag.fits.checked_sample import checked_ascending
from htmu_diag.fits.gaps import gap_ratios
from htmu_diag.fits.htmp import Asked, fit_htmps
from htmu_diag.fits.htmp_bulk import AskedBulk, fit_htmps_and_bulks
from htmu_diag.fits.law_ranking import rank_laws_of
from htmu_diag.fits.marchenko_pastur import fit_marchenko_pasturs
from htmu_diag.fits.power_law import AskedTail, fit_power_laws
from htmu_diag.kinds import Orientation
from htmu_diag.spectrum import Floats, Spectrum
from htmu_diag.theory import PhaseReading, classify
from htmu_diag.theory.near_zero import near_zero_share
from htmu_diag.theory.phases import COLLAPSED
from htmu_diag.theory.predictions import noise_exponent, predictions, scanned_noise_exponent

__all__ = ["MatrixSpectrum", "diagnose_matrices"]


@dataclass(frozen=True)
class MatrixSpectrum:
    """A whole spectrum of one matrix. positive: (m,) ascending, those of its values that are not zero."""

    spectrum: Spectrum
    shape: SpectrumShape
    positive: Floats

    @property
    def orientation(self) -> Orientation:
        return self.spectrum.source.kind.orientation

    @property
    def other(self) -> Orientation:
        return "direct" if self.orientation == "inverse" else "inverse"


@dataclass(frozen=True)
class _Fitted:
    """What is fitted to what: gamma the aspect ratio of it, ``values`` that of HTMP, ``rounded`` that of a bulk.

    allowed: the values that the shape of what lives allows. near_zero, lost: the share of zeros, of the whole (of
    ``size`` values) and of what lives. foretold: the fit that foretells zeros, if there is one.
    """

    living: LivingPart
    gamma: float
    values: Floats
    rounded: Floats
    allowed: Floats
    size: int
    near_zero: float
    lost: float
    foretold: LawFit | None


def diagnose_matrices(given: Sequence[MatrixSpectrum], options: Options) -> list[Diagnosis]:
    """A diagnosis of each, in their order."""
    samples = [checked_ascending(one.positive) for one in given]
    each = list(zip(given, samples, strict=True))
    upper = [
        AskedTail(sample, bootstrap=options.bootstrap, rng=options.rng(one.spectrum.source)) for one, sample in each
    ]
    lower = [AskedTail(sample, tail="lower") for one, sample in each if one.spectrum.source.kind.lower_tail]
    both = fit_power_laws([*upper, *lower])
    tails, lowers = both[: len(given)], iter(both[len(given) :])
    parts = _fitted_parts(given)
    pairs = list(zip(given, parts, strict=True))
    kernels = [one.orientation == "inverse" for one in given]
    bulks = fit_marchenko_pasturs(
        [
            (sample if part.rounded.size == sample.values.size else part.rounded, part.gamma)
            for sample, part in zip(samples, parts, strict=True)
        ]
    )
    htmps, others, of_bulks = _htmps(pairs, bulks)
    laws = rank_laws_of([(sample, part.gamma) for sample, part in zip(samples, parts, strict=True)])
    gaps = gap_ratios(samples)
    lowest = iter(_of_kernels([one.positive for one, kernel in zip(given, kernels, strict=True) if kernel]))
    repulsions = read_repulsions(
        [Repelling(one.positive, part.gamma, htmps[i], gaps[i], kernels[i]) for i, (one, part) in enumerate(pairs)]
    )
    predicted = predictions(htmps, tails)
    tied = tied_words_of([one.positive for one in given])
    found = []
    for i, (one, part) in enumerate(pairs):
        noise = scanned_noise_exponent(one.positive.size, part.gamma)
        evidence = phase_evidence(part.allowed, part.lost, tails[i].as_of_signal(), bulks[i], part.gamma, noise)
        phase = classify(evidence)
        diagnosis = Diagnosis(
            one.spectrum,
            one.shape if one.shape.gamma == part.gamma else replace(one.shape, gamma=part.gamma),
            tail_within(tails[i], phase.phase, bulks[i].n_spikes),
            lower=next(lowers) if one.spectrum.source.kind.lower_tail else None,
            bulk=bulks[i],
            htmp=htmps[i],
            htmp_other=others[i],
            inverse_gamma=next(lowest) if kernels[i] else None,
            htmp_bulk=of_bulks[i],
            laws=laws[i],
            gaps=gaps[i],
            repulsion=repulsions[i],
            alpha_noise=noise_exponent(tails[i], part.gamma),
            prediction=predicted[i],
            phase=_with_ties(part.living.within(with_cause(phase, repulsions[i]), part.near_zero, part.size), tied[i]),
            near_zero=part.near_zero,
        )
        found.append(diagnosis)
    return found


def _of_kernels(values: list[Floats]) -> list[LawFit]:
    """Their smallest eigenvalues' law; weights need nothing of it."""
    if not values:
        return []
    from htmu_diag.fits.inverse_gamma import fit_inverse_gammas

    return fit_inverse_gammas(values)


def _htmps(
    pairs: Sequence[tuple[MatrixSpectrum, _Fitted]], bulks: Sequence[BulkFit]
) -> tuple[list[LawFit], list[LawFit], list[LawFit | None]]:
    """The fits of each in its own orientation and in the other, and those of the bulks of weights, all at once."""
    first = [Asked(one.positive, part.gamma, one.orientation) for one, part in pairs if part.foretold is None]
    second = [Asked(part.values, part.gamma, one.other) for one, part in pairs]
    weights = [
        AskedBulk(part.values, part.gamma, bulk)
        for (one, part), bulk in zip(pairs, bulks, strict=True)
        if one.orientation == "direct"
    ]
    fits, beside = fit_htmps_and_bulks([*first, *second], weights)
    own, bulk_fits = iter(fits[: len(first)]), iter(beside)
    return (
        [part.foretold or next(own) for _, part in pairs],
        fits[len(first) :],
        [next(bulk_fits) if one.orientation == "direct" else None for one, _ in pairs],
    )


def _fitted_parts(given: Sequence[MatrixSpectrum]) -> list[_Fitted]:
    lives = [_living(one) for one in given]
    asked = [
        Asked(alive.allowed, alive.part.gamma, one.orientation)
        for one, alive in zip(given, lives, strict=True)
        if alive.allowed.size > one.positive.size
    ]
    fits = iter(fit_htmps(asked))
    return [
        _fitted(one, alive, next(fits) if alive.allowed.size > one.positive.size else None)
        for one, alive in zip(given, lives, strict=True)
    ]


@dataclass(frozen=True)
class _Living:
    """What lives of a matrix: its shape, all values with zeros for rounding, how many the whole shape allows, the share
    of zeros among them, and those that the shape of what lives allows."""

    part: LivingPart
    rounded: Floats
    size: int
    near_zero: float
    allowed: Floats


def _living(one: MatrixSpectrum) -> _Living:
    source, living, positive = one.spectrum.source, living_part(one.spectrum), one.positive
    lacks = one.spectrum.values.size - positive.size
    rounded = np.concatenate([np.zeros(lacks), positive]) if lacks else positive  # else rounding is a bulk
    whole = allowed_by_shape(rounded, source.shape)
    near_zero = near_zero_share(whole, source.gamma)
    return _Living(living, rounded, whole.size, near_zero, allowed_by_shape(whole, living.shape))


def _fitted(one: MatrixSpectrum, alive: _Living, with_zeros: LawFit | None) -> _Fitted:
    """with_zeros: the fit to zeros and all, where there are any."""
    living, positive, allowed = alive.part, one.positive, alive.allowed
    foretold = with_zeros if with_zeros is not None and _foretells(with_zeros, positive, allowed) else None
    same = living.shape == one.spectrum.source.shape
    lost = alive.near_zero if same else near_zero_share(allowed, living.gamma)
    dead_rows = foretold is None and positive.size < allowed.size and lost < COLLAPSED  # the others are a matrix
    gamma = positive.size / max(living.shape) if dead_rows else living.gamma
    rounded = positive if dead_rows else allowed if living.zeros else alive.rounded
    values = allowed if foretold else positive
    return _Fitted(living, gamma, values, rounded, allowed, alive.size, alive.near_zero, lost, foretold)


def _with_ties(phase: PhaseReading, tied: str) -> PhaseReading:
    """The reason with what tied eigenvalues say; of equal ones it says so already."""
    return replace(phase, reason=f"{phase.reason}; {tied}") if tied and not phase.name else phase


def _foretells(whole: LawFit, positive: Floats, allowed: Floats) -> bool:
    """Whether the law has half as many zeros or more, which rounding lost; where it has not, they are no part of a bulk
    (dead rows, a low rank)."""
    zeros = allowed.size - positive.size
    zero = numerical_zero(allowed.size, allowed[-1])
    return whole.law is not None and allowed.size * float(whole.law.cdf(zero)) >= zeros / 2
