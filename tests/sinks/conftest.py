"""Diagnosed steps of a small model, and TensorBoard's two readers."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.context import RequestContext
from tensorboard.data import provider as base_provider

from htmu_diag.analysis import Diagnosis, Options, StepRecord, diagnose
from htmu_diag.spectrum import Kind, Source, Spectrum
from tests.loaders import LOADERS

LAYERS = ("blocks.2.up", "blocks.10.up")


@functools.cache
def diagnosis(name: str, step: int, kind: Kind = Kind.WEIGHTS) -> Diagnosis:
    rng = np.random.default_rng([step, len(name)])
    matrix = rng.standard_normal((36, 72))
    values = np.linalg.eigvalsh(matrix @ matrix.T / 72)
    return diagnose(Spectrum.exact(values, Source(kind, name, (36, 72), step)), Options(bootstrap=0))


def record(step: int, names: tuple[str, ...] = LAYERS, kind: Kind = Kind.WEIGHTS, **more: Any) -> StepRecord:
    return StepRecord(step, 1e9 + step, tuple(diagnosis(name, step, kind) for name in names), **more)


@pytest.fixture(name="record")
def record_fixture() -> Callable[..., StepRecord]:
    return record


class Reader:
    """What TensorBoard itself finds in a folder of runs."""

    def __init__(self, provider: base_provider.DataProvider) -> None:
        self._provider = provider
        self._of: dict[str, Any] = {"experiment_id": "0"}

    def scalars(self, tag: str) -> dict[str, list[tuple[int, float]]]:
        found = self._read("scalars", "read_scalars", tag)
        return {run: [(p.step, p.value) for p in tags[tag]] for run, tags in found.items() if tag in tags}

    def scalar_tags(self) -> set[str]:
        found = self._provider.list_scalars(RequestContext(), plugin_name="scalars", **self._of)
        return {tag for tags in found.values() for tag in tags}

    def tensors(self, plugin: str, tag: str) -> list[tuple[int, Any]]:
        found = self._read(plugin, "read_tensors", tag)
        return [(p.step, p.numpy) for tags in found.values() for p in tags.get(tag, ())]

    def tensor_tags(self, plugin: str) -> dict[str, Any]:
        found = self._provider.list_tensors(RequestContext(), plugin_name=plugin, **self._of)
        return {tag: series for tags in found.values() for tag, series in tags.items()}

    def pictures(self) -> dict[str, list[int]]:
        found = self._provider.list_blob_sequences(RequestContext(), plugin_name="images", **self._of)
        tags = [tag for tags in found.values() for tag in tags]
        read = self._read("images", "read_blob_sequences", *tags)
        return {tag: [p.step for p in points] for tags in read.values() for tag, points in tags.items()}

    def _read(self, plugin: str, method: str, *tags: str) -> Any:
        wanted = base_provider.RunTagFilter(tags=list(tags))
        call = getattr(self._provider, method)
        return call(RequestContext(), plugin_name=plugin, downsample=1000, run_tag_filter=wanted, **self._of)


@pytest.fixture(params=LOADERS, ids=["python", "rust"])
def read(request: pytest.FixtureRequest) -> Callable[[Path], Reader]:
    """Both of TensorBoard's loaders: the default one in Rust, and the one in Python."""
    return lambda folder: Reader(request.param(folder))
