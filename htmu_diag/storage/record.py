"""One step as one safetensors file: the arrays of its spectra, and a JSON header with everything else.

Tensors: ``<i>/values`` (n,) float64 for spectrum i of the header, and ``<i>/weights`` (n,) where the weights are not
all equal (an exact spectrum has n atoms of mass 1/n: one number in the header says it). Any safetensors reader opens
the file. Its metadata holds two texts:

    header   JSON: schema, step, wall_time, scalars, events, spectra (source, estimator, scalars, crc32 of the arrays)
    crc32    of the header text

A file cut short anywhere fails safetensors' own length check; damage of the right length fails a checksum.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from htmu_diag.errors import StorageError
from htmu_diag.kinds import Kind
from htmu_diag.spectrum import Estimator, Floats, Source, Spectrum
from htmu_diag.storage.safetensors_bytes import safetensors_bytes

__all__ = ["SCHEMA", "DamagedRecord", "Header", "StoredStep", "checksum", "decode", "decode_header", "encode"]

SCHEMA = 1


class DamagedRecord(StorageError):
    """A record that is cut short or does not match its checksum: readers drop it."""


@dataclass(frozen=True)
class StoredStep:
    """What was measured at one step, before any analysis. Scalars and events as in `StepRecord`."""

    step: int
    wall_time: float
    spectra: tuple[Spectrum, ...] = ()
    scalars: Mapping[str, float] = field(default_factory=dict)
    events: tuple[str, ...] = ()


@dataclass(frozen=True)
class Header:
    """A record without its arrays. spectra: one mapping each, in the order of the model (see `encode`)."""

    step: int
    wall_time: float
    scalars: Mapping[str, float]
    events: tuple[str, ...]
    spectra: tuple[Mapping[str, Any], ...]

    def find(self, name: str, kind: Kind) -> list[int]:
        """Indices of the spectra of that layer and kind."""
        return [i for i, s in enumerate(self.spectra) if s["source"]["name"] == name and s["source"]["kind"] == kind]


def encode(record: StoredStep) -> bytes:
    """The file's bytes."""
    arrays: dict[str, Floats] = {}
    entries = []
    for index, spectrum in enumerate(record.spectra):
        entry, own = _encode_spectrum(spectrum)
        entries.append(entry)
        arrays |= {f"{index}/{name}": array for name, array in own.items()}
    header = {
        "schema": SCHEMA,
        "step": record.step,
        "wall_time": record.wall_time,
        "scalars": {tag: float(value) for tag, value in record.scalars.items()},
        "events": list(record.events),
        "spectra": entries,
    }
    text = json.dumps(header)
    return safetensors_bytes(arrays, {"header": text, "crc32": str(zlib.crc32(text.encode()))})


def decode_header(path: Path) -> Header:
    """The header alone. Raises DamagedRecord where the file is torn, StorageError where a newer version wrote it."""
    with _open(path) as file:
        return _parse(file.metadata() or {}, path)


def decode(path: Path, header: Header, wanted: Sequence[int] | None = None) -> tuple[Spectrum, ...]:
    """The spectra with the given indices (default: all), in that order. Raises DamagedRecord."""
    indices = range(len(header.spectra)) if wanted is None else wanted
    with _open(path) as file:
        return tuple(_decode_spectrum(file, index, header.spectra[index], path) for index in indices)


def checksum(spectrum: Spectrum) -> int:
    """That of a spectrum's arrays, as its record holds it: which spectrum something is about."""
    return _checksum(_arrays(spectrum).values())


def _arrays(spectrum: Spectrum) -> dict[str, Floats]:
    """What is written: weights only where they are not all equal."""
    weights = spectrum.masses
    equal = weights.size == 0 or bool((weights == weights[0]).all())
    return {"values": spectrum.values} if equal else {"values": spectrum.values, "weights": weights}


def _encode_spectrum(spectrum: Spectrum) -> tuple[dict[str, Any], dict[str, Floats]]:
    arrays, weights = _arrays(spectrum), spectrum.masses
    entry = {
        "source": _source_entry(spectrum.source),
        "estimator": asdict(spectrum.estimator),
        "dimension": spectrum.dimension,
        "scalars": dict(spectrum.scalars),
        "weight": float(weights[0]) if "weights" not in arrays and weights.size else None,
        "crc32": _checksum(arrays.values()),
    }
    return entry, arrays


def _decode_spectrum(file: Any, index: int, entry: Mapping[str, Any], path: Path) -> Spectrum:
    stored = set(file.keys())
    names = [name for name in ("values", "weights") if f"{index}/{name}" in stored]
    arrays = [file.get_tensor(f"{index}/{name}") for name in names]
    if not names or _checksum(arrays) != entry["crc32"]:
        raise DamagedRecord(f"{path}: spectrum {index} does not match its checksum")
    values = arrays[0]
    weights = arrays[1] if len(arrays) == 2 else np.full(values.shape, entry["weight"] or 0.0)
    source, estimator = _source(entry["source"], path), Estimator(**entry["estimator"])
    return Spectrum(values, weights, entry["dimension"], source, estimator, entry["scalars"])


def _source_entry(source: Source) -> dict[str, Any]:
    """Of a kind that this package does not know also what was said of it: a reader need not have the probe."""
    entry = {**asdict(source), "kind": source.kind.value}
    return entry if source.kind.is_own else {**entry, "kind_traits": source.kind.traits}


def _source(entry: Mapping[str, Any], path: Path) -> Source:
    known = dict(entry)
    name, traits = known.pop("kind"), known.pop("kind_traits", None)
    if traits is None and name not in set(Kind):
        raise StorageError(f"{path}: unknown kind of spectrum {name!r}; upgrade htmu_diag")
    return Source(**{**known, "kind": Kind.again(name, traits or {}), "shape": tuple(known["shape"])})


def _checksum(arrays: Any) -> int:
    crc = 0
    for array in arrays:
        crc = zlib.crc32(np.ascontiguousarray(array).data, crc)
    return crc


def _open(path: Path) -> Any:
    try:
        return safe_open(str(path), framework="numpy")
    except SafetensorError as error:
        raise DamagedRecord(f"{path}: {error}") from error
    except OSError as error:
        raise StorageError(f"{path}: cannot be read ({error}); check the folder's permissions") from error


def _parse(metadata: Mapping[str, str], path: Path) -> Header:
    text = metadata.get("header", "")
    if str(zlib.crc32(text.encode())) != metadata.get("crc32"):
        raise DamagedRecord(f"{path}: the header does not match its checksum")
    content = json.loads(text)
    if content["schema"] > SCHEMA:
        raise StorageError(
            f"{path}: written with schema {content['schema']}, this version reads up to {SCHEMA}; upgrade htmu_diag"
        )
    return Header(
        content["step"],
        content["wall_time"],
        content["scalars"],
        tuple(content["events"]),
        tuple(content["spectra"]),
    )
