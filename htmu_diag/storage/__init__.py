"""Storage: the spectra of each step on disk, append-only and crash-safe.

Names resolve on first use: an analysis of a file, which stores nothing, needs the rules of folders only.
"""

import importlib
from typing import TYPE_CHECKING, Any

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

    def __getattr__(name: str) -> Any:
        if name not in _PUBLIC:
            raise AttributeError(f"module 'htmu_diag.storage' has no attribute {name!r}; it has {', '.join(__all__)}")
        found = globals()[name] = getattr(importlib.import_module(f"htmu_diag.storage.{_PUBLIC[name]}"), name)
        return found


def __dir__() -> list[str]:
    return sorted(__all__)
