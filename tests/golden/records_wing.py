"""What is computed for `numbers` from records: their bytes, and what is said of headers that are none."""

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from htmu_diag.errors import HTMUError
from htmu_diag.storage.header import parse_header
from htmu_diag.storage.record import StoredStep, encode
from htmu_diag.storage.safetensors_bytes import SafetensorsPart, safetensors_bytes
from tests.golden.storage_wing import inside
from tests.storage.run_folder import spectra

MOST = 2**63
ENTRY: dict[str, Any] = {
    "source": {"kind": "weights", "name": "w", "shape": [2, 3], "step": 4, "unit": "u"},
    "estimator": {"method": "exact"},
    "weight": None,
    "dimension": 2,
    "crc32": 5,
    "scalars": {"a": 1.5},
}
HEADER: dict[str, Any] = {"schema": 1, "step": 4, "wall_time": 1.5, "scalars": {}, "events": [], "spectra": [ENTRY]}
VALUES = [None, True, 0, 1, 2, -1, 1.5, "x", [], {}, MOST - 1, MOST, -MOST, 1 - MOST, ["x"], [1], {"a": 1}, {"a": "x"}]
SHAPES = [[2, 3, 4], [0, 3], [2, 0], [MOST, 1], [1, MOST], [MOST - 1, MOST - 1], [1.0, 2], [1, True]]


def headers() -> dict[str, Any]:
    changed: dict[str, Any] = {"as it is": HEADER}
    for value in VALUES:
        changed |= {f"{key}={value}": HEADER | {key: value} for key in HEADER}
        changed |= {f"entry {key}={value}": HEADER | {"spectra": [ENTRY | {key: value}]} for key in ENTRY}
        source = {key: ENTRY["source"] | {key: value} for key in (*ENTRY["source"], "kind_traits", "other")}
        changed |= {f"source {k}={value}": HEADER | {"spectra": [ENTRY | {"source": s}]} for k, s in source.items()}
    for shape in SHAPES:
        changed[f"shape={shape}"] = HEADER | {"spectra": [ENTRY | {"source": ENTRY["source"] | {"shape": shape}}]}
    return changed


def of_headers() -> dict[str, str]:
    found = {}
    for name, header in headers().items():
        text = json.dumps(header)
        try:
            parse_header({"header": text, "crc32": str(zlib.crc32(text.encode()))})
            found[name] = "read"
        except (HTMUError, ValueError) as error:
            found[name] = str(error)
    return found


def of_bytes() -> dict[str, Any]:
    """Records, byte for byte: the values have few digits."""
    record = encode(StoredStep(7, 7.5, tuple(spectra(7)), {"loss": 0.125}, ("said",)))
    arrays = {"a": np.arange(3.0), "b": np.zeros(0), "c": np.ones(1)}
    part = safetensors_bytes(arrays, {"x": "y"})

    def read(folder: Path, content: bytes, offset: int = 0, size: int | None = None) -> Any:
        (folder / "x").write_bytes(content)
        with (folder / "x").open("rb") as file:
            found = SafetensorsPart(file, offset, size)
            return found.metadata, {name: found.array(name).tolist() for name in arrays if name in found}

    shifted = b"12345" + part + b"67"
    cuts = {
        "whole": (part,),
        "within": (shifted, 5, len(part)),
        "more": (shifted, 5),
        "less": (shifted, 5, len(part) - 1),
        "beyond": (shifted, 5, len(part) + 3),
        "short": (part[:7],),
        "head": (part[:20],),
        "list": ((2).to_bytes(8, "little") + b"[]",),
        "nothing": ((2).to_bytes(8, "little") + b"{}",),
        "type": (part.replace(b"F64", b"F32", 1),),
        "shape": (part.replace(b"[3]", b"[4]", 1),),
        "metadata": (part.replace(b'{"x":"y"}', b'["x","yz"]', 1)[:1] + part[1:],),
    }
    read_ones = {name: inside(lambda folder, cut=cut: read(folder, *cut)) for name, cut in cuts.items()}  # type: ignore[misc]
    return {"record": record.hex(), "part": part.hex(), **read_ones}


CASES: dict[str, dict[str, Callable[[], Any]]] = {"records": {"headers": of_headers, "bytes": of_bytes}}
