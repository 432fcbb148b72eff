"""The host takes the eigenvalues as long as it keeps up, and then the faster of both."""

import contextlib
import time

import numpy as np
import pytest
import torch
from torch._subclasses import FakeTensorMode

from htmu_diag.matrices import Matrix
from htmu_diag.probes import decomposition
from htmu_diag.probes.copies import Copy
from htmu_diag.probes.decomposition import Decomposition
from htmu_diag.probes.placement import Placement
from htmu_diag.probes.starts import Starts
from htmu_diag.spectrum import Kind, Source, Spectrum


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    return now


def taken(
    places: Placement, clock: list[float], seconds: dict[str, list[float]], times: int, work: object
) -> list[str]:
    """The places of some blocks, each of which takes the next of its seconds, the last one again and again."""
    found = []
    for _ in range(times):
        with places.choosing(work) as place:
            found.append(place)
            clock[0] += seconds[place].pop(0) if len(seconds[place]) > 1 else seconds[place][0]
    return found


def test_the_host_works_half_of_the_time_and_a_burst_and_the_device_the_rest(clock: list[float]) -> None:
    places = Placement()
    found = taken(places, clock, {"device": [0.1], "host": [3.0]}, 400, (4096, 4096))
    first = found.index("device")
    assert 10 / 3 < first < 8
    assert found.count("host") * 3.0 == pytest.approx(10.0 + clock[0] / 2, abs=3.0)
    clock[0] += 60.0  # the training has gone on
    assert taken(places, clock, {"device": [0.1], "host": [3.0]}, 3, (4096, 4096)) == ["host"] * 3


def test_a_host_that_is_faster_keeps_its_shapes_though_it_falls_behind(clock: list[float]) -> None:
    places = Placement()
    assert "device" in taken(places, clock, {"device": [5.0], "host": [4.0]}, 20, "small")
    assert taken(places, clock, {"device": [5.0], "host": [4.0]}, 20, "small") == ["host"] * 20


def test_a_try_that_failed_is_no_try(clock: list[float]) -> None:
    places = Placement()
    with pytest.raises(ZeroDivisionError), places.choosing("work"):
        clock[0] += 100.0
        raise ZeroDivisionError
    assert taken(places, clock, {"device": [1.0], "host": [2.0]}, 1, "work") == ["host"]


def test_a_matrix_of_a_device_is_decomposed_where_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def decomposed(matrix: Matrix, *, values_on_host: bool, **options: object) -> Spectrum:
        seen.append("host" if values_on_host else matrix.stored().device.type)
        return Spectrum.exact(np.ones(2), Source(Kind.WEIGHTS, "fc", (4, 2)))

    class Here(Copy):
        def usable(self) -> object:  # type: ignore[override]
            return contextlib.nullcontext(self.tensor)

    monkeypatch.setattr(decomposition, "matrix_spectrum", decomposed)
    places = Placement()
    with FakeTensorMode():
        tensor = torch.empty(4, 2, device="cuda:0")
        work = Decomposition(
            Matrix("fc", (4, 2), "linear", "fc", lambda: tensor), (Here(tensor),), 3, places, Starts(), None
        )
        work()
        places._worked = 1e9
        work()
    assert seen == ["host", "cuda"]
