"""safetensors as bytes: a file whose bytes depend on its content alone, and one that lies inside a larger file.

The format: 8 bytes of length, little-endian; a JSON header of that length that maps each name to its type, shape and
place; then the arrays. The library's own writer puts the texts of the metadata in an order that differs between
processes, so that equal records would be unequal files; and its reader opens paths, whatever lies there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import IO, Any

import numpy as np

from htmu_diag.spectrum import Floats

__all__ = ["SafetensorsPart", "safetensors_bytes"]

_ALIGNED = 8  # the arrays begin at a multiple of it, as the library's writer has it
_LONGEST = 100_000_000  # bytes of a header, as the library has it


def safetensors_bytes(arrays: Mapping[str, Floats], metadata: Mapping[str, str]) -> bytes:
    """A file of one-dimensional float64 arrays, in the order in which they are given."""
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    end = 0
    for name, array in arrays.items():
        begin, end = end, end + array.nbytes
        header[name] = {"dtype": "F64", "shape": list(array.shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNED)
    data = (array.astype("<f8", copy=False).tobytes() for array in arrays.values())
    return b"".join([len(text).to_bytes(8, "little"), text, *data])


class SafetensorsPart:
    """One-dimensional float64 arrays of a file that is open, or of ``size`` bytes of it from ``offset`` on.

    Raises ValueError, with the reason, for what is no such file or is cut short: the arrays have to fill it exactly.
    """

    def __init__(self, file: IO[bytes], offset: int = 0, size: int | None = None) -> None:
        self._file = file
        whole = os.fstat(file.fileno()).st_size - offset
        size = whole if size is None else size
        file.seek(offset)
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or size > whole or length > min(size - 8, _LONGEST):
            raise ValueError("cut short, or no safetensors file")
        content = json.loads(file.read(length))
        if not isinstance(content, dict):
            raise ValueError("its header is no mapping")
        self._data = offset + 8 + length
        metadata = content.pop("__metadata__", {})
        self.metadata: dict[str, str] = metadata if isinstance(metadata, dict) else {}
        self._entries: dict[str, Any] = content
        places = [self._place(name) for name in content]
        if max((end for _, end in places), default=0) != size - 8 - length:
            raise ValueError("the arrays do not fill the file")

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def array(self, name: str) -> Floats:
        """The values of an array, (n,). Raises ValueError for another type or shape."""
        begin, end = self._place(name)
        self._file.seek(self._data + begin)
        values: Floats = np.frombuffer(self._file.read(end - begin), dtype="<f8").astype(np.float64, copy=False)
        return values

    def _place(self, name: str) -> tuple[int, int]:
        entry = self._entries[name]
        try:
            (length,), (begin, end) = entry["shape"], entry["data_offsets"]
            if entry["dtype"] == "F64" and begin >= 0 and end - begin == 8 * length:
                return int(begin), int(end)
        except (TypeError, ValueError, KeyError):
            pass
        raise ValueError(f"{name}: not a one-dimensional float64 array")
