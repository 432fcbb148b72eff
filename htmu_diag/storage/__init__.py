"""Storage: the spectra of each step on disk, append-only and crash-safe.

Names resolve on first use: an analysis of a file, which stores nothing, needs the rules of folders only.
"""

from typing import TYPE_CHECKING

from htmu_diag.extras import late_names

if TYPE_CHECKING:
    from htmu_diag.storage.arrays import PROBE_BATCH as PROBE_BATCH
    from htmu_diag.storage.arrays import STARTS as STARTS
    from htmu_diag.storage.arrays import start_arrays as start_arrays
    from htmu_diag.storage.info import run_info as run_info
    from htmu_diag.storage.lock import FolderLock as FolderLock
    from htmu_diag.storage.lock import FolderLocked as FolderLocked
    from htmu_diag.storage.log import holds_a_run as holds_a_run
    from htmu_diag.storage.record import SCHEMA as SCHEMA
    from htmu_diag.storage.record import StoredStep as StoredStep
    from htmu_diag.storage.run import Run as Run
    from htmu_diag.storage.run import load_run as load_run
    from htmu_diag.storage.store import Store as Store

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

# name -> the module that defines it
_PUBLIC = {
    **dict.fromkeys(("PROBE_BATCH", "STARTS", "start_arrays"), "arrays"),
    "run_info": "info",
    **dict.fromkeys(("FolderLock", "FolderLocked"), "lock"),
    "holds_a_run": "log",
    **dict.fromkeys(("SCHEMA", "StoredStep"), "record"),
    **dict.fromkeys(("Run", "load_run"), "run"),
    "Store": "store",
}

if not TYPE_CHECKING:  # a type checker that saw it would take every mistyped name for Any
    __getattr__ = late_names(__name__, _PUBLIC)


def __dir__() -> list[str]:
    return sorted(__all__)
