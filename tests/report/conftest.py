"""Diagnoses of a noise matrix, a heavy-tailed one, a kernel, and spectra that hold little or nothing."""

from collections.abc import Callable

import numpy as np
import pytest

from htmu_diag.analysis import Diagnosis, Options, diagnose
from htmu_diag.spectrum import Floats, Kind, Source, Spectrum


def of(values: Floats | list[float], name: str = "fc1.weight", kind: Kind = Kind.WEIGHTS) -> Diagnosis:
    side = max(len(values), 1)
    source = Source(kind, name, (side, 2 * side) if kind is Kind.WEIGHTS else (side, side), 100)
    return diagnose(Spectrum.exact(values, source), Options(bootstrap=0))


@pytest.fixture(name="of")
def of_fixture() -> Callable[..., Diagnosis]:
    return of


@pytest.fixture
def noise() -> Diagnosis:
    matrix = np.random.default_rng(0).standard_normal((60, 120))
    return of(np.linalg.eigvalsh(matrix @ matrix.T / 120))


@pytest.fixture
def heavy() -> Diagnosis:
    return of(np.random.default_rng(0).pareto(1.5, 200) + 1)
