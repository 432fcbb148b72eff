"""Arrays that belong to a whole attempt, such as the samples that its probes look at: one file in the segment's folder.

    spectra/0000-from-0/probe_batch.safetensors

Any safetensors reader opens it. A resumed run writes its own, so that a later reading can tell whether the two agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from htmu_diag.errors import StorageError
from htmu_diag.files import write_atomically
from htmu_diag.plain_files import open_plain
from htmu_diag.storage.segments import Segment, segments

__all__ = ["PROBE_BATCH", "STARTS", "latest_arrays", "start_arrays", "write_arrays"]

PROBE_BATCH = "probe_batch"
STARTS = "starts"
Arrays = Mapping[str, npt.NDArray[Any]]


def write_arrays(segment: Path, name: str, arrays: Arrays, *, fsync: bool = True) -> None:
    """Write named arrays into a segment, in place of older ones of that name. Raises StorageError."""
    contiguous = {key: np.ascontiguousarray(array) for key, array in arrays.items()}
    write_atomically(_path(segment, name), save(contiguous), fsync=fsync)


def latest_arrays(attempts: Sequence[Segment], name: str) -> dict[str, npt.NDArray[Any]]:
    """Those of the latest attempt that has some; empty where none has. Raises StorageError for a damaged file."""
    for segment in reversed(attempts):
        path = _path(segment.path, name)
        if path.exists():
            try:
                with open_plain(path) as file:
                    return load(file.read())
            except (SafetensorError, ValueError, OSError) as error:
                raise StorageError(
                    f"{path}: cut short or damaged ({error}); copy it again from where it is whole"
                ) from error
    return {}


def start_arrays(root: Path) -> dict[str, npt.NDArray[Any]]:
    """Where the weights of the run in a folder began: of the latest attempt from step 0, for later ones resume that
    one. Empty where it kept none. Raises StorageError for a damaged file."""
    begun = [segment for segment in segments(root) if segment.start == 0]
    return latest_arrays(begun[-1:], STARTS)


def _path(segment: Path, name: str) -> Path:
    return segment / f"{name}.safetensors"
