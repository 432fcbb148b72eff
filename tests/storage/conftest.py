"""Spectra of every estimator, as a probe would hand them over."""

import numpy as np
import pytest

from htmu_diag.spectrum import Estimator, Kind, Source, Spectrum


def exact(name: str = "fc1.weight", step: int | None = 0, n: int = 20) -> Spectrum:
    values = np.random.default_rng(n).random(n)
    source = Source(Kind.WEIGHTS, name, (n, 3 * n), step, "eigenvalues of W W^T / max(shape)")
    return Spectrum.exact(values, source, routine="gram_eigvalsh float64", scalars={"entropy_deficit": 0.1})


@pytest.fixture
def one() -> Spectrum:
    return exact()


@pytest.fixture
def every_kind() -> list[Spectrum]:
    hessian = Source(Kind.HESSIAN, "model", (50, 50), 3)
    nodes, weights = np.array([-1.0, 0.0, 2.0]), np.array([0.2, 0.5, 0.3])
    return [
        exact(),
        Spectrum.top_k([3.0, 9.0], 100, Source(Kind.NTK, "model", (100, 100), None), routine="lanczos", products=12),
        Spectrum(nodes, weights, 50, hessian, Estimator("quadrature", "slq 3x1", 3)),
        Spectrum.exact([], Source(Kind.WEIGHTS, "empty", (1, 1), 3)),
        Spectrum.exact([0.0, 0.0], Source(Kind.UPDATES, "Schicht/日本 \u0000\n\"'", (2, 2), 3)),
    ]
