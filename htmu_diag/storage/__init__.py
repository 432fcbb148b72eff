"""Storage: the spectra of each step on disk, append-only and crash-safe."""

from htmu_diag.storage.arrays import PROBE_BATCH, STARTS, start_arrays
from htmu_diag.storage.info import run_info
from htmu_diag.storage.lock import FolderLock, FolderLocked
from htmu_diag.storage.log import holds_a_run
from htmu_diag.storage.record import SCHEMA, StoredStep
from htmu_diag.storage.run import Run, load_run
from htmu_diag.storage.store import Store

__all__ = [
    "PROBE_BATCH",
    "SCHEMA",
    "STARTS",
    "FolderLock",
    "FolderLocked",
    "Run",
    "Store",
    "StoredStep",
    "holds_a_run",
    "load_run",
    "run_info",
    "start_arrays",
]
