"""One step as one safetensors file: the arrays of its spectra, and a JSON header with everything else.

Tensors: ``<i>/values`` (n,) float64 for spectrum i of the header, and ``<i>/weights`` (n,) where the weights are not
all equal (an exact spectrum has n atoms of mass 1/n: one number in the header says it). Values are ascending, those of
a series (``ordered`` in its entry) in the order of time. Any safetensors reader opens
the file. Its metadata holds two texts:

    header   JSON: schema, step, wall_time, scalars, events, spectra (source, estimator, scalars, crc32 of the arrays)
    crc32    of the header text

A file cut short anywhere fails safetensors' own length check; damage of the right length fails a checksum.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from htmu_diag.errors import StorageError
from htmu_diag.kinds import Kind
from htmu_diag.plain_files import open_plain
from htmu_diag.spectrum import Estimator, Floats, Source, Spectrum
from htmu_diag.storage.header import SCHEMA, DamagedRecord, Header, NewerRecord, parse_header
from htmu_diag.storage.safetensors_bytes import SafetensorsPart, safetensors_bytes
from htmu_diag.storage.segments import Segment, Slot, record_step

__all__ = ["SCHEMA", "DamagedRecord", "Header", "StoredStep", "checksum", "decode", "decode_header", "encode"]


@dataclass(frozen=True)
class StoredStep:
    """What was measured at one step, before any analysis. Scalars and events as in `StepRecord`."""

    step: int
    wall_time: float
    spectra: tuple[Spectrum, ...] = ()
    scalars: Mapping[str, float] = field(default_factory=dict)
    events: tuple[str, ...] = ()


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


def decode_header(place: Path | Slot) -> Header:
    """The header alone. Raises DamagedRecord where it cannot be read, StorageError where a newer version wrote it."""
    with _opened(place) as part:
        return parse_header(part.metadata)


def decode(place: Path | Slot, header: Header, wanted: Sequence[int] | None = None) -> tuple[Spectrum, ...]:
    """The spectra with the given indices (default: all), in that order. Raises DamagedRecord."""
    indices = range(len(header.spectra)) if wanted is None else wanted
    with _opened(place) as part:
        return tuple(_decode_spectrum(part, index, header.spectra[index]) for index in indices)


def checksum(spectrum: Spectrum) -> int:
    """That of a spectrum's arrays, as its record holds it: which spectrum something is about."""
    return _checksum(_arrays(spectrum).values())


def _arrays(spectrum: Spectrum) -> dict[str, Floats]:
    """What is written: weights only where they are not all equal."""
    weights = spectrum.masses
    equal = weights.size == 0 or bool((weights == weights[0]).all())
    values = spectrum.values if spectrum.path is None else spectrum.path
    return {"values": values} if equal else {"values": values, "weights": weights}


def _encode_spectrum(spectrum: Spectrum) -> tuple[dict[str, Any], dict[str, Floats]]:
    arrays, weights = _arrays(spectrum), spectrum.masses
    entry = {
        "source": _source_entry(spectrum.source),
        "estimator": dict(vars(spectrum.estimator)),
        "dimension": spectrum.dimension,
        "scalars": dict(spectrum.scalars),
        **({} if spectrum.path is None else {"ordered": True}),
        "weight": float(weights[0]) if "weights" not in arrays and weights.size else None,
        "crc32": _checksum(arrays.values()),
    }
    return entry, arrays


def _decode_spectrum(part: SafetensorsPart, index: int, entry: Mapping[str, Any]) -> Spectrum:
    names = [name for name in ("values", "weights") if f"{index}/{name}" in part]
    arrays = [part.array(f"{index}/{name}") for name in names]
    if not names or _checksum(arrays) != entry["crc32"]:
        raise DamagedRecord(f"spectrum {index} does not match its checksum")
    values = arrays[0]
    weights = arrays[1] if len(arrays) == 2 else np.full(values.shape, entry["weight"] or 0.0)
    source, estimator = _source(entry["source"]), Estimator(**entry["estimator"])
    path = values if entry.get("ordered") else None
    return Spectrum(values, weights, entry["dimension"], source, estimator, entry["scalars"], path)


def _source_entry(source: Source) -> dict[str, Any]:
    """Of a kind that this package does not know also what was said of it: a reader need not have the probe."""
    entry = {**vars(source), "kind": source.kind.value}
    return entry if source.kind.is_own else {**entry, "kind_traits": source.kind.traits}


def _source(entry: Mapping[str, Any]) -> Source:
    known = dict(entry)
    name, traits = known.pop("kind"), known.pop("kind_traits", None)
    if traits is None and name not in set(Kind):
        raise DamagedRecord(f"unknown kind of spectrum {name!r}; upgrade htmu_diag")
    return Source(**{**known, "kind": Kind.again(name, traits or {}), "shape": tuple(known["shape"])})


def _checksum(arrays: Any) -> int:
    crc = 0
    for array in arrays:
        crc = zlib.crc32(np.ascontiguousarray(array).data, crc)
    return crc


@contextmanager
def _opened(place: Path | Slot) -> Iterator[SafetensorsPart]:
    """A block in which a record is read: whatever is wrong with it becomes a DamagedRecord that names the file."""
    slot = place if isinstance(place, Slot) else Slot(place)
    try:
        slot, file = _open(slot)
        with file:
            yield SafetensorsPart(file, slot.offset, slot.size)
    except DamagedRecord as error:
        raise DamagedRecord(f"{slot}: {error}") from error
    except NewerRecord as error:
        raise StorageError(f"{slot}: {error}") from error
    except OSError as error:
        raise DamagedRecord(f"{slot}: cannot be read ({error.strerror or error})") from error
    except (ValueError, TypeError, KeyError, ArithmeticError, RecursionError) as error:
        raise DamagedRecord(f"{slot}: not a record ({type(error).__name__}: {error})") from error


def _open(slot: Slot) -> tuple[Slot, IO[bytes]]:
    """The record's file; of one that was packed since its place was looked up, the pack."""
    try:
        return slot, open_plain(slot.path)
    except FileNotFoundError:
        match = None if slot.packed else record_step(slot.path)
        packed = None if match is None else Segment(0, 0, slot.path.parent).find_packed(match)
        if packed is None:
            raise
        return packed, open_plain(packed.path)
