"""Solvers: operator or matrix in, `Spectrum` out."""

from htmu_diag.solvers.exact import UNIT, exact_spectra, exact_spectrum, product_spectrum
from htmu_diag.solvers.kernels import covariance_spectrum, feature_spectrum, jacobian_spectrum, ntk_spectrum

__all__ = [
    "UNIT",
    "covariance_spectrum",
    "feature_spectrum",
    "jacobian_spectrum",
    "ntk_spectrum",
    "exact_spectra",
    "exact_spectrum",
    "product_spectrum",
]
