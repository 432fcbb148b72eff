"""A safetensors file as bytes that depend on its content alone.

The format: 8 bytes of length, little-endian; a JSON header of that length that maps each name to its type, shape and
place; then the arrays. The library's own writer puts the texts of the metadata in an order that differs between
processes, so that equal records would be unequal files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from htmu_diag.spectrum import Floats

__all__ = ["safetensors_bytes"]

_ALIGNED = 8  # the arrays begin at a multiple of it, as the library's writer has it


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
