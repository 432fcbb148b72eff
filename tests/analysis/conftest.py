"""A process that diagnoses, for the tests of what it does and of how modest it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from htmu_diag.analysis import Diagnoser, Options
from htmu_diag.errors import MeasurementError

OPTIONS = Options(bootstrap=5, seed=3)


@pytest.fixture
def told() -> list[MeasurementError]:
    return []


@pytest.fixture
def beside(told: list[MeasurementError]) -> Iterator[Diagnoser]:
    diagnoser = Diagnoser(OPTIONS, told.append, patience=0.0)
    yield diagnoser
    diagnoser.close()
