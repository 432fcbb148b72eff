"""Solvers: operator or matrix in, `Spectrum` out."""

from htmu_diag.solvers.exact import UNIT, exact_spectra, exact_spectrum, product_spectrum

__all__ = ["UNIT", "exact_spectra", "exact_spectrum", "product_spectrum"]
