"""From a spectrum to a diagnosis: the one pipeline, used live by the monitor and offline on stored spectra.

Fits of weight matrices use HTMP, fits of feature kernels inverse HTMP (the orientation that the field uses); both are
fitted and their likelihoods compared. Indefinite operators and samples of lengths have no Marchenko-Pastur bulk: only
their tails are fitted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from htmu_diag.analysis.diagnosis import Diagnosis
from htmu_diag.analysis.evidence import pooled_matrices
from htmu_diag.analysis.given_values import checked_spectrum
from htmu_diag.analysis.matrix_diagnosis import MatrixSpectrum, diagnose_matrices
from htmu_diag.analysis.options import Options
from htmu_diag.analysis.outliers import outliers_of
from htmu_diag.analysis.shape import SpectrumShape, numerical_zero, shape_of
from htmu_diag.arguments import RATIO, checked, instance, optional
from htmu_diag.fits import fit_htmp, fit_power_law
from htmu_diag.fits.series import fit_series
from htmu_diag.spectrum import Floats, Spectrum
from htmu_diag.theory.phases import NOT_CLASSIFIED, pooled_reading
from htmu_diag.theory.predictions import predict

__all__ = ["batches", "diagnose", "diagnose_all", "diagnose_each"]

TOGETHER, VALUES = 64, 16384  # spectra that are fitted at once, and their values in all


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
    return diagnose_all([checked_spectrum(spectrum, gamma, shape)], options)[0]


def diagnose_all(spectra: Sequence[Spectrum], options: Options | None = None) -> list[Diagnosis]:
    """`diagnose` of each, in their order and to the last bit, at a lower price: many small matrices are fitted at once.

    Raises what `diagnose` of one of them raises; `diagnose_each` keeps that to the one.
    """
    options = options or Options()
    return [one for batch in batches(spectra) for one in _together(batch, options)]


def diagnose_each(spectra: Sequence[Spectrum], options: Options | None = None) -> list[Diagnosis | Exception]:
    """As `diagnose_all`, with the exception in place of the diagnosis of a spectrum that cannot be had."""
    kept = _Kept()
    with kept:
        return [*diagnose_all(spectra, options)]
    if len(spectra) == 1 and kept.error is not None:
        return [kept.error]
    return [one for spectrum in spectra for one in diagnose_each([spectrum], options)]


def batches(spectra: Sequence[Spectrum]) -> Iterator[Sequence[Spectrum]]:
    """Neighbours that are worth fitting at once, small enough together that one waits for no more than a second."""
    first = values = 0
    for place, spectrum in enumerate(spectra):
        values += spectrum.values.size
        if place > first and (place == first + TOGETHER or values > VALUES):
            yield spectra[first:place]
            first, values = place, spectrum.values.size
    if len(spectra) > first:
        yield spectra[first:]


def _together(spectra: Sequence[Spectrum], options: Options) -> list[Diagnosis]:
    found = [_alone(spectrum, options) for spectrum in spectra]
    matrices = [one for one in found if isinstance(one, MatrixSpectrum)]
    diagnosed = iter(diagnose_matrices(matrices, options))
    return [next(diagnosed) if isinstance(one, MatrixSpectrum) else one for one in found]


class _Kept(contextlib.AbstractContextManager[None]):
    """A block whose exception, of ordinary kind, is kept and goes no further."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        self.error = error if isinstance(error, Exception) else None
        return self.error is not None


def _alone(spectrum: Spectrum, options: Options) -> Diagnosis | MatrixSpectrum:
    """The diagnosis, or of a whole spectrum of a matrix what is to be diagnosed."""
    found = shape_of(spectrum)
    if spectrum.estimator.method == "quadrature":
        return _diagnose_quadrature(spectrum, found, options)
    signed = options.magnitudes and not spectrum.source.kind.bulk
    values = np.abs(spectrum.values) if signed else spectrum.values
    positive = _above_zero(values, spectrum.dimension, ascending=not signed)
    if options.tail_only:
        return Diagnosis(spectrum, found, fit_power_law(positive))
    if spectrum.path is not None:
        return _diagnose_series(spectrum, spectrum.path, found, options)
    pooled = pooled_matrices(spectrum)
    if spectrum.source.kind.bulk and not spectrum.is_censored and pooled == 1:
        return MatrixSpectrum(spectrum, found, positive)
    tail = fit_power_law(positive, bootstrap=options.bootstrap, rng=options.rng(spectrum.source))
    lower = fit_power_law(positive, tail="lower") if spectrum.source.kind.lower_tail else None
    return Diagnosis(spectrum, found, tail, lower, phase=pooled_reading(pooled) if pooled > 1 else NOT_CLASSIFIED)


def _above_zero(values: Floats, dimension: int, *, ascending: bool) -> Floats:
    """Those that differ from zero beside the largest one."""
    if not ascending or not values.size:
        return values[values > numerical_zero(dimension, values.max(initial=0.0))]
    zero = numerical_zero(dimension, max(values.item(-1), 0.0))
    return values if values.item(0) > zero else values[values.searchsorted(zero, side="right") :]


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
