"""Garbage is collected in full before a training, once in a process, and never where its owner collects by hand."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from htmu_diag.recording.garbage import collect_once


class Cycle:
    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def first() -> Iterator[None]:
    collect_once.cache_clear()
    yield
    gc.enable()


def left_behind() -> weakref.ref[Cycle]:
    gc.collect()
    gc.disable()
    return weakref.ref(Cycle())


def test_it_is_collected_once() -> None:
    first = left_behind()
    gc.enable()
    collect_once()
    assert first() is None
    second = left_behind()
    gc.enable()
    collect_once()
    assert second() is not None


def test_it_is_left_to_who_collects_by_hand() -> None:
    behind = left_behind()
    collect_once()
    assert behind() is not None
