"""Arrays on the wire: a uint32 length, a JSON header padded to four bytes, float32 values, all little-endian."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from htmu_diag.analysis.assembled import Densities, Table

__all__ = ["densities_header", "framed", "table_header"]


def framed(header: Mapping[str, Any], array: npt.NDArray[np.float32]) -> bytes:
    """One message; the header is given the array's shape."""
    text = json.dumps({**header, "shape": list(array.shape)}).encode()
    text += b" " * (-len(text) % 4)
    return len(text).to_bytes(4, "little") + text + np.ascontiguousarray(array, "<f4").tobytes()


def table_header(table: Table, quantities: tuple[str, ...]) -> dict[str, Any]:
    """What belongs to an array (quantities, layers, steps)."""
    return {
        "quantities": list(quantities),
        "layers": [layer["name"] for layer in table.layers],
        "steps": list(table.steps),
    }


def densities_header(densities: Densities) -> dict[str, Any]:
    """What belongs to an array (rows, steps, bins)."""
    about = densities.about
    return {
        "rows": list(densities.names),
        "first": densities.first,
        "per": about["per"],
        "steps": list(densities.steps),
        "unit": about["unit"],
        "method": about["method"],
        "matrix": about["shape"],
    }
