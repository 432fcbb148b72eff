"""The faster place is taken once both were tried."""

import contextlib
import time

import numpy as np
import pytest
import torch
from torch._subclasses import FakeTensorMode

from htmu_diag.matrices import Matrix
from htmu_diag.probes import weights
from htmu_diag.probes.copies import Copy
from htmu_diag.probes.placement import Placement
from htmu_diag.probes.weights import _Decomposition
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


def test_each_place_is_tried_twice_and_then_the_faster_is_taken(clock: list[float]) -> None:
    places = Placement()
    # the first call on the device sets its solver up
    device_wins = taken(places, clock, {"device": [9.0, 1.0], "host": [2.0]}, 8, (512, 512))
    assert device_wins == ["device"] * 2 + ["host"] * 2 + ["device"] * 4
    host_wins = taken(places, clock, {"device": [9.0, 3.0], "host": [2.0]}, 8, (64, 64))
    assert host_wins == ["device"] * 2 + ["host"] * 6


def test_a_try_that_failed_is_no_try(clock: list[float]) -> None:
    places = Placement()
    with pytest.raises(ZeroDivisionError), places.choosing("work") as place:
        raise ZeroDivisionError
    assert place == "device"
    assert taken(places, clock, {"device": [1.0], "host": [2.0]}, 3, "work") == ["device", "device", "host"]


def test_a_matrix_of_a_device_is_decomposed_where_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def decomposed(matrix: Matrix, *, device: str | None, **options: object) -> Spectrum:
        seen.append(device or matrix.stored().device.type)
        return Spectrum.exact(np.ones(2), Source(Kind.WEIGHTS, "fc", (4, 2)))

    class Here(Copy):
        def usable(self) -> object:  # type: ignore[override]
            return contextlib.nullcontext(self.tensor)

    monkeypatch.setattr(weights, "matrix_spectrum", decomposed)
    with FakeTensorMode():
        tensor = torch.empty(4, 2, device="cuda:0")
        work = _Decomposition(Matrix("fc", (4, 2), "linear", "fc", lambda: tensor), (Here(tensor),), 0, Placement())
        for _ in range(4):
            work()
    assert seen == ["cuda", "cuda", "cpu", "cpu"]
