"""Solvers: operator or matrix in, `Spectrum` out."""

from htmu_diag.solvers.dense import dense_matrix, exact_operator_spectrum
from htmu_diag.solvers.density import spectral_density
from htmu_diag.solvers.exact import FAILURES, UNIT, exact_spectrum, product_spectrum
from htmu_diag.solvers.kernels import covariance_spectrum, feature_spectrum, jacobian_spectrum, ntk_spectrum
from htmu_diag.solvers.lanczos import Tridiagonal, lanczos, start_vector
from htmu_diag.solvers.matrix import matrix_spectrum
from htmu_diag.solvers.ntk import NTKCost, full_ntk_spectrum, ntk_cost
from htmu_diag.solvers.together import exact_spectra
from htmu_diag.solvers.top_k import Eigenpairs, top_k
from htmu_diag.solvers.trace import TraceEstimate, block_traces, trace

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
