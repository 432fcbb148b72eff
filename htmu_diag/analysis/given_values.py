"""A spectrum of eigenvalues that somebody computed elsewhere."""

from __future__ import annotations

import numpy.typing as npt

from htmu_diag.arguments import whole
from htmu_diag.errors import InputError
from htmu_diag.fits.checked_sample import as_values, check_gamma
from htmu_diag.spectrum import Kind, Source, Spectrum

__all__ = ["checked_spectrum", "given_spectrum"]


def checked_spectrum(
    spectrum: Spectrum | npt.ArrayLike, gamma: float | None, shape: tuple[int, int] | None
) -> Spectrum:
    """A spectrum as it is, or that of eigenvalues with ``gamma`` or ``shape``."""
    if not isinstance(spectrum, Spectrum):
        return given_spectrum(spectrum, gamma, shape)
    if gamma is not None or shape is not None:
        raise InputError("a spectrum knows the shape of its matrix; leave gamma and shape out")
    return spectrum


def given_spectrum(values: npt.ArrayLike, gamma: float | None = None, shape: tuple[int, int] | None = None) -> Spectrum:
    """All eigenvalues (n,) of a Gram matrix, with what says which noise it is compared with.

    gamma: smaller side over the larger, in (0, 1]. shape: (rows, columns) of the matrix, the smaller of them n.
    Raises InputError for neither or both, and for a shape of another size.
    """
    sample = as_values(values)
    if (gamma is None) == (shape is None):
        raise InputError("values alone do not say which noise to compare with; pass gamma= or shape= of their matrix")
    if shape is None:
        check_gamma(gamma)  # type: ignore[arg-type]
        shape = (sample.size, max(round(sample.size / gamma), 1))  # type: ignore[operator]
    if not (isinstance(shape, tuple | list) and len(shape) == 2 and all(whole(1, 2**62).holds(side) for side in shape)):
        raise InputError(f"shape = {shape!r} cannot be taken; pass (rows, columns) of the matrix")
    if min(shape) != sample.size:
        raise InputError(f"{sample.size} values for a matrix of {shape}; pass all {min(shape)} of its eigenvalues")
    return Spectrum.exact(sample, Source(Kind.WEIGHTS, "values", (int(shape[0]), int(shape[1]))), routine="given")
