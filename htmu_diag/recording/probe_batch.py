"""The probe batch of a run: copied when the run begins, stored with it, and compared when it resumes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils._pytree import tree_map

from htmu_diag.errors import MeasurementError, StorageError
from htmu_diag.recording.complaints import Complaints
from htmu_diag.storage import PROBE_BATCH, Store, load_run

__all__ = ["copied", "keep_samples"]


def copied(batch: Any) -> Any:
    """The same structure with tensors of its own: a loop that refills its buffers does not change what is measured."""
    return tree_map(_copied, batch)


def keep_samples(store: Store, samples: Mapping[str, npt.NDArray[Any]], complaints: Complaints) -> None:
    """Store what the kernel probes look at; complain where a resumed run looks at other samples than before."""
    if not samples:
        return
    try:
        before = load_run(store.directory).probe_batch if store.start_step else {}
        if before and not _equal(before, samples):
            change = "the probe batch is not the one stored before step"
            raise MeasurementError(
                f"{change} {store.start_step}, so kernel curves jump there; pass the same batch and seed to watch()"
            )
    except (MeasurementError, StorageError) as error:
        complaints.add("probe batch", error)
    try:
        store.keep(PROBE_BATCH, samples)
    except StorageError as error:
        complaints.add("store", error)


def _copied(leaf: Any) -> Any:
    if isinstance(leaf, torch.Tensor):
        return leaf.detach().clone()
    return {key: copied(value) for key, value in leaf.items()} if isinstance(leaf, Mapping) else leaf


def _equal(first: Mapping[str, npt.NDArray[Any]], second: Mapping[str, npt.NDArray[Any]]) -> bool:
    return first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)
