"""For a process to fork from: one matrix is diagnosed, so that no fork makes the laws' tables anew."""

import numpy as np

from htmu_diag.analysis import Options, diagnose
from htmu_diag.spectrum import Kind, Source, Spectrum

_MATRIX = np.random.default_rng(0).standard_normal((20, 24))
_SOURCE = Source(Kind.WEIGHTS, "weight", (20, 24), 0, "eigenvalues of W W^T / max(shape)")
diagnose(Spectrum.exact(np.linalg.svd(_MATRIX)[1] ** 2 / 24, _SOURCE), Options(bootstrap=0))
