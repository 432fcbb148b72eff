"""Solvers: operator or matrix in, `Spectrum` out.

What needs torch is imported at its first use: the spectrum of an array does without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from htmu_diag.extras import late_names
from htmu_diag.solvers.host import FAILURES, UNIT
from htmu_diag.solvers.matrix import matrix_spectrum

if TYPE_CHECKING:
    from htmu_diag.solvers.dense import dense_matrix as dense_matrix
    from htmu_diag.solvers.dense import exact_operator_spectrum as exact_operator_spectrum
    from htmu_diag.solvers.density import spectral_density as spectral_density
    from htmu_diag.solvers.eigenpairs import Eigenpairs as Eigenpairs
    from htmu_diag.solvers.eigenpairs import top_k as top_k
    from htmu_diag.solvers.exact import exact_spectrum as exact_spectrum
    from htmu_diag.solvers.exact import product_spectrum as product_spectrum
    from htmu_diag.solvers.kernels import covariance_spectrum as covariance_spectrum
    from htmu_diag.solvers.kernels import feature_spectrum as feature_spectrum
    from htmu_diag.solvers.kernels import jacobian_spectrum as jacobian_spectrum
    from htmu_diag.solvers.kernels import ntk_spectrum as ntk_spectrum
    from htmu_diag.solvers.ntk import NTKCost as NTKCost
    from htmu_diag.solvers.ntk import full_ntk_spectrum as full_ntk_spectrum
    from htmu_diag.solvers.ntk import ntk_cost as ntk_cost
    from htmu_diag.solvers.together import exact_spectra as exact_spectra
    from htmu_diag.solvers.traces import TraceEstimate as TraceEstimate
    from htmu_diag.solvers.traces import block_traces as block_traces
    from htmu_diag.solvers.traces import trace as trace
    from htmu_diag.solvers.tridiagonal import Tridiagonal as Tridiagonal
    from htmu_diag.solvers.tridiagonal import lanczos as lanczos
    from htmu_diag.solvers.tridiagonal import start_vector as start_vector

__all__ = [
    "Eigenpairs",
    "FAILURES",
    "NTKCost",
    "TraceEstimate",
    "Tridiagonal",
    "UNIT",
    "block_traces",
    "covariance_spectrum",
    "dense_matrix",
    "exact_operator_spectrum",
    "exact_spectra",
    "exact_spectrum",
    "feature_spectrum",
    "full_ntk_spectrum",
    "jacobian_spectrum",
    "lanczos",
    "matrix_spectrum",
    "ntk_cost",
    "ntk_spectrum",
    "product_spectrum",
    "spectral_density",
    "start_vector",
    "top_k",
    "trace",
]

# name -> the module that defines it
_PUBLIC = {
    **dict.fromkeys(("dense_matrix", "exact_operator_spectrum"), "dense"),
    "spectral_density": "density",
    **dict.fromkeys(("exact_spectrum", "product_spectrum"), "exact"),
    **dict.fromkeys(("covariance_spectrum", "feature_spectrum", "jacobian_spectrum", "ntk_spectrum"), "kernels"),
    **dict.fromkeys(("Tridiagonal", "lanczos", "start_vector"), "tridiagonal"),
    **dict.fromkeys(("NTKCost", "full_ntk_spectrum", "ntk_cost"), "ntk"),
    "exact_spectra": "together",
    **dict.fromkeys(("Eigenpairs", "top_k"), "eigenpairs"),
    **dict.fromkeys(("TraceEstimate", "block_traces", "trace"), "traces"),
}

if not TYPE_CHECKING:  # a type checker that saw it would take every mistyped name for Any
    __getattr__ = late_names(__name__, _PUBLIC)
