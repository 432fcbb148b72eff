"""The header of a record: a JSON text in the metadata of its file, checked field by field before anything uses it.

A record may have been written by anybody: a header that is not as this package writes it costs its record, nothing
else.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from htmu_diag.errors import StorageError
from htmu_diag.kinds import Kind
from htmu_diag.spectrum import Estimator, Source

__all__ = ["SCHEMA", "DamagedRecord", "Header", "NewerRecord", "parse_header"]

SCHEMA = 1
_ESTIMATOR = {field.name for field in fields(Estimator)}
_METHODS = ("exact", "top_k", "quadrature")
_MOST = 2**63
_NUMBER = (int, float)  # not bool
_SOURCE = {field.name for field in fields(Source)} | {"kind_traits"}


class DamagedRecord(StorageError):
    """A record that is cut short, does not match its checksum or is no record: readers drop it."""


class NewerRecord(StorageError):
    """A record of a later version of this package."""


@dataclass(frozen=True)
class Header:
    """A record without its arrays. spectra: one mapping each, in the order of the model (see `record`)."""

    step: int
    wall_time: float
    scalars: Mapping[str, float]
    events: tuple[str, ...]
    spectra: tuple[Mapping[str, Any], ...]

    def find(self, name: str, kind: Kind) -> list[int]:
        """Indices of the spectra of that layer and kind."""
        return [i for i, s in enumerate(self.spectra) if s["source"]["name"] == name and s["source"]["kind"] == kind]


def parse_header(metadata: Mapping[str, Any]) -> Header:
    """From texts "header" and "crc32". Raises DamagedRecord, NewerRecord; ValueError, RecursionError for no JSON."""
    text = str(metadata.get("header", ""))
    if str(zlib.crc32(text.encode())) != metadata.get("crc32"):
        raise DamagedRecord("the header does not match its checksum")
    content = json.loads(text)
    _require(isinstance(content, dict) and isinstance(content.get("schema"), int), "no mapping with a schema")
    if content["schema"] > SCHEMA:
        raise NewerRecord(
            f"written with schema {content['schema']}, this version reads up to {SCHEMA}; upgrade htmu_diag"
        )
    _require(_whole(content.get("step")) and content["step"] >= 0, "step")
    _require(type(content.get("wall_time")) in _NUMBER, "wall_time")
    _require(_numbers(content.get("scalars")), "scalars")
    events, spectra = content.get("events"), content.get("spectra")
    _require(isinstance(events, list) and all(isinstance(event, str) for event in events), "events")
    _require(isinstance(spectra, list), "spectra")
    _require(all(map(_is_entry, spectra)), "a spectrum")
    return Header(content["step"], content["wall_time"], content["scalars"], tuple(events), tuple(spectra))


def _is_entry(entry: Any) -> bool:
    """Whether it says of a spectrum what `record` writes, each in its type; asked of every spectrum of a run."""
    try:
        source, estimator = entry["source"], entry["estimator"]
        (rows, columns), step, weight = source["shape"], source.get("step"), entry["weight"]
        return (
            type(source["kind"]) is type(source["name"]) is type(source.get("unit", "")) is str
            and source.keys() <= _SOURCE
            and type(rows) is type(columns) is type(entry["dimension"]) is type(entry["crc32"]) is int
            and 0 < rows < _MOST
            and 0 < columns < _MOST
            and 0 <= entry["dimension"] < _MOST
            and (step is None or (type(step) is int and abs(step) < _MOST))
            and (weight is None or type(weight) in _NUMBER)
            and type(source.get("kind_traits", {})) is dict
            and estimator.keys() <= _ESTIMATOR
            and estimator["method"] in _METHODS
            and all(type(value) in _NUMBER for value in entry["scalars"].values())
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return False


def _require(as_expected: bool, what: str) -> None:
    if not as_expected:
        raise DamagedRecord(f"its header is not that of a record ({what})")


def _whole(value: Any) -> bool:
    return type(value) is int and abs(value) < _MOST


def _numbers(value: Any) -> bool:
    return type(value) is dict and all(type(number) in _NUMBER for number in value.values())
