"""Where the weights of a run began: kept in its folder, and found there again by a resumed run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import numpy.typing as npt

from htmu_diag.errors import StorageError
from htmu_diag.probes import Probe, WeightsProbe
from htmu_diag.recording.complaints import Complaints
from htmu_diag.storage import STARTS, Store, start_arrays

__all__ = ["keep_starts"]


def keep_starts(probes: Iterable[Probe], store: Store | None, complaints: Complaints) -> None:
    """Tie the starts of the weights probe to a folder; of a job of several ranks, those that its writer decomposes."""
    for probe in probes:
        if store is None or not isinstance(probe, WeightsProbe):
            continue
        if store.start_step == 0:
            probe.starts.keep = partial(_kept, store, complaints)
            continue
        with complaints.containing("weights", []):
            probe.starts.take(start_arrays(store.directory))


def _kept(store: Store, complaints: Complaints, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    try:
        store.keep(STARTS, arrays)
    except StorageError as error:
        complaints.add("store", error)
