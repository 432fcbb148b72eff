"""The diagnosed numbers of a step beside its spectra: one line of JSON a step in ``numbers.jsonl``, in append order.

    {"crc32":"1c291ca3","step":1200,"version":"0.1.0","options":{...},"wall_time":1.7e9,
     "spectra":[["weights","fc1.weight",59,80,2712847316], ...],      kind, name, rows, columns, checksum of the arrays
     "quantities":["dimension","gamma","alpha", ...],"values":[[80.0,0.7375,3.1, ...], ...],    null: no value
     "texts":{"verdict":["bulk+spikes", ...],"reason":[...], ...}}

The checksum at the head is that of every byte after it up to the closing brace: a damaged line is recognised. A line
without a newline was being written when its process ended: it does not count. Numbers say which spectra they belong to
by the checksum of the spectra themselves, so that they are superseded exactly when the spectra are; a later line about
the same spectrum with the same options and version counts. Floats are written so that they come back to the last bit.
"""

from __future__ import annotations

import json
import math
import os
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from htmu_diag._version import __version__
from htmu_diag.analysis import Options
from htmu_diag.analysis.reading import Reading
from htmu_diag.files import append
from htmu_diag.spectrum import Floats, Kind, Source, Spectrum
from htmu_diag.storage.record import checksum

__all__ = ["NUMBERS", "Key", "StepNumbers", "append_numbers", "decode_line", "encode_line", "joined", "line_step"]

NUMBERS = "numbers.jsonl"
_HEAD = re.compile(rb'\{"crc32":"([0-9a-f]{8})","step":(\d+),')
_CHECKED = len('{"crc32":"00000000",')  # bytes before those that the checksum covers
_INFINITE = {math.inf: "inf", -math.inf: "-inf"}

Key = tuple[str, str, int]  # kind, name, checksum of the arrays: which spectrum a row is about


@dataclass(frozen=True)
class StepNumbers:
    """A table: one row for each spectrum of a step.

    spectra: (kind, name, rows, columns, checksum) of each row. quantities: names of the columns of ``values`` (n, q),
    NaN where there is no value. texts: name -> n words or sentences. version, options: what made the numbers.
    """

    step: int
    version: str
    options: Mapping[str, Any]
    wall_time: float
    spectra: tuple[tuple[str, str, int, int, int], ...]
    quantities: tuple[str, ...]
    values: Floats
    texts: Mapping[str, Sequence[str]]

    @classmethod
    def of(
        cls,
        step: int,
        spectra: Sequence[Spectrum],
        readings: Sequence[Reading],
        options: Options,
        wall_time: float,
    ) -> StepNumbers:
        """The table of these spectra and what was said about them, in the same order."""
        quantities = tuple(dict.fromkeys(name for reading in readings for name in reading.numbers))
        words = dict.fromkeys(name for reading in readings for name in reading.texts)
        values = [[reading.numbers.get(name, math.nan) for name in quantities] for reading in readings]
        return cls(
            step,
            __version__,
            _plain_options(options),
            wall_time,
            tuple((s.source.kind.value, s.source.name, *s.source.shape, checksum(s)) for s in spectra),
            quantities,
            np.array(values, dtype=np.float64).reshape(len(readings), len(quantities)),
            {name: [reading.texts.get(name, "") for reading in readings] for name in words},
        )

    def keys(self) -> list[Key]:
        """Which spectrum each row is about."""
        return [(kind, name, check) for kind, name, _, _, check in self.spectra]

    def agrees(self, options: Options) -> bool:
        """Whether this version's `diagnose` with these options gives these numbers."""
        # what `hold` changes is how a verdict is shown, not what is found
        same = {**_plain_options(Options()), **self.options, "hold": options.hold}
        return self.version == __version__ and same == _plain_options(options)

    def reading(self, row: int) -> Reading:
        """One row. Raises ValueError for a kind of spectrum that this version does not know."""
        kind, name, rows, columns, _ = self.spectra[row]
        numbers = dict(zip(self.quantities, self.values[row].tolist(), strict=True))
        texts = {word: said[row] for word, said in self.texts.items()}
        return Reading(Source(Kind(kind), name, (rows, columns), self.step), numbers, texts)


@lru_cache(maxsize=8)
def _plain_options(options: Options) -> dict[str, Any]:
    return asdict(options)


def joined(step: int, rows: Sequence[tuple[StepNumbers, int]]) -> StepNumbers:
    """One table of single rows (table, row) of others, at least one; what made it is what made the last of them."""
    last = rows[-1][0]
    quantities = tuple(dict.fromkeys(name for table, _ in rows for name in table.quantities))
    places = {name: place for place, name in enumerate(quantities)}
    values = np.full((len(rows), len(quantities)), np.nan)
    for at, (table, row) in enumerate(rows):
        values[at, [places[name] for name in table.quantities]] = table.values[row]
    words = dict.fromkeys(name for table, _ in rows for name in table.texts)
    texts = {name: [table.texts[name][row] if name in table.texts else "" for table, row in rows] for name in words}
    spectra = tuple(table.spectra[row] for table, row in rows)
    return StepNumbers(step, last.version, last.options, last.wall_time, spectra, quantities, values, texts)


def append_numbers(segment: Path, numbers: StepNumbers) -> None:
    """Add a line to a segment's numbers in one write. Raises StorageError; the file then ends where it ended before."""
    path = segment / NUMBERS
    append(path, b"\n" * _is_torn(path) + encode_line(numbers))


def line_step(line: bytes) -> int | None:
    """The step of a complete and undamaged line; None for any other."""
    head = _HEAD.match(line)
    if head is None or not line.endswith(b"}") or int(head[1], 16) != zlib.crc32(line[_CHECKED:-1]):
        return None
    return int(head[2])


def decode_line(line: bytes) -> StepNumbers:
    """A line of which `line_step` is known. Raises ValueError, KeyError or TypeError where a field is not as it was."""
    content = json.loads(line)
    spectra = tuple((str(k), str(n), int(r), int(c), int(check)) for k, n, r, c, check in content["spectra"])
    quantities = tuple(content["quantities"])
    values = np.array(content["values"], dtype=np.float64).reshape(len(spectra), len(quantities))
    texts = {str(name): list(said) for name, said in content["texts"].items()}
    if any(len(said) != len(spectra) for said in texts.values()):
        raise ValueError("a column of words is not as long as the table")
    version, options, wall_time = str(content["version"]), dict(content["options"]), float(content["wall_time"])
    return StepNumbers(int(content["step"]), version, options, wall_time, spectra, quantities, values, texts)


def _is_torn(path: Path) -> bool:
    """Whether a process was killed inside its last line."""
    if not path.exists() or not path.stat().st_size:
        return False
    with open(path, "rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def encode_line(numbers: StepNumbers) -> bytes:
    """The line of a table, its newline included."""
    content = {
        "step": numbers.step,
        "version": numbers.version,
        "options": dict(numbers.options),
        "wall_time": numbers.wall_time,
        "spectra": [list(spectrum) for spectrum in numbers.spectra],
        "quantities": list(numbers.quantities),
        "values": _plain(numbers.values),
        "texts": {name: list(said) for name, said in numbers.texts.items()},
    }
    rest = json.dumps(content, separators=(",", ":"), default=str)[1:-1].encode()
    return b'{"crc32":"%08x",%s}\n' % (zlib.crc32(rest), rest)


def _plain(values: Floats) -> list[list[Any]]:
    """JSON has neither NaN nor infinities: null and a word."""
    rows: list[list[Any]] = values.tolist()
    for row, column in np.argwhere(~np.isfinite(values)).tolist():
        rows[row][column] = _INFINITE.get(rows[row][column])
    return rows
