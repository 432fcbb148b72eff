"""All numbers of one step and kind as one array (layers, quantities): the packed table of dashboards and reports.

Fifty layers of fifty numbers are one event instead of 2,500. A table is known by ``id``, the checksum of its names:
readers keep the first description of a tag, so other layers (a resumed run, another choice) must be another tag. Tables
of a kind are joined again by the layers' names. NaN stands for "no value"; infinity is a value.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from htmu_diag.analysis.density import PER_DECADE, rows_of
from htmu_diag.analysis.diagnosis import Diagnosis
from htmu_diag.analysis.quantities import QUANTITIES
from htmu_diag.fits.results import Code
from htmu_diag.kinds import Kind
from htmu_diag.spectrum import Source
from htmu_diag.theory.phases import EQUAL

__all__ = [
    "CODES",
    "PLUGIN",
    "VERSION",
    "Columns",
    "about_density",
    "about_table",
    "block_of",
    "code_of",
    "columns_of",
    "role_of",
    "table",
    "table_id",
]

VERSION = 2
PLUGIN = "htmu"  # the name under which TensorBoard files our tensors
_TAIL = (
    "fits",
    "fits, then ends",
    "fits, or exponential",
    "ruled out",
    "ruled out (finite end)",
    "ruled out (exponential)",
    "ruled out (noise)",
    "too few",
    "no fit",
)
# columns that hold a place in a list of words: texts of a diagnosis' row, "ruled out (p 0.02)" without its number
CODES: Mapping[str, tuple[str, ...]] = {
    "tail_status": get_args(Code),
    "htmp_status": (*get_args(Code), "does_not_describe"),
    "tail": _TAIL,
    "lower": tuple(word for word in _TAIL if word != "ruled out (noise)"),
    "verdict": (*EQUAL, "power-law tail", "no power law", "too few", "no fit"),  # of spectra without a phase
}
_NUMBER = re.compile(r"\d+")


@dataclass
class Columns:
    """The quantities of one kind's tables, in the order of `QUANTITIES`. A column begins with
    its first value and stays: a step without a fit keeps its columns, so that the table stays the same."""

    names: tuple[str, ...] = ()

    def with_those_of(self, diagnoses: Sequence[Diagnosis]) -> tuple[str, ...]:
        """The names so far and whatever these diagnoses have more."""
        have = frozenset(self.names)
        new = {n for d in diagnoses for n, value in d.numbers.items() if n not in have and not math.isnan(value)}
        if new or (diagnoses and not have):
            self.names = columns_of(diagnoses[0].source.kind, {*have, *new})
        return self.names


def columns_of(kind: Kind, seen: Collection[str]) -> tuple[str, ...]:
    """Those quantities in the order of `QUANTITIES`, then the codes that spectra of this kind have."""
    codes = (name for name in CODES if name != "lower" or kind.lower_tail)
    return tuple(name for name in [*QUANTITIES, *codes] if name in seen or name in CODES)


def table(diagnoses: Sequence[Diagnosis], names: Sequence[str]) -> npt.NDArray[np.float32]:
    """(layers, quantities) of one kind at one step; what overflows float32 is infinite."""
    coded = [name in CODES for name in names]
    cells = [_cells(diagnosis, names, coded) for diagnosis in diagnoses]
    with np.errstate(over="ignore"):
        return np.asarray(cells, dtype=np.float64).reshape(len(cells), len(names)).astype(np.float32)


def table_id(layers: Iterable[str], names: Iterable[str]) -> str:
    """Eight hexadecimal digits that change with the layers or the quantities."""
    text = json.dumps([list(layers), list(names)])
    return f"{zlib.crc32(text.encode()):08x}"


def about_table(kind: str, sources: Sequence[Source], names: Sequence[str]) -> dict[str, Any]:
    """The description of a table: its layers in the order of the model, its quantities, its codes."""
    layers = [
        {"name": s.name, "shape": list(s.shape), "role": role_of(s.name), "depth": block_of(s.name)} for s in sources
    ]
    codes = {name: list(words) for name, words in CODES.items() if name in names}
    return {
        "version": VERSION,
        "what": "table",
        "kind": kind,
        "layers": layers,
        "quantities": list(names),
        "codes": codes,
    }


def about_density(source: Source, order: int, *, quadrature: bool = False) -> dict[str, Any]:
    """The description of a layer's densities. order: its place in the model. quadrature: nodes, not eigenvalues."""
    return {
        "version": VERSION,
        "what": "density",
        "kind": source.kind.value,
        "layer": source.name,
        "order": order,
        "shape": list(source.shape),
        "unit": source.unit,
        "rows": list(rows_of(source.kind, quadrature=quadrature)),
        "per": PER_DECADE,
        "method": "quadrature" if quadrature else "eigenvalues",
    }


def role_of(name: str) -> str:
    """The layer's name with every number left open: what all blocks of a model share.

    >>> role_of("blocks.11.attention.query.weight")
    'blocks.*.attention.query.weight'
    """
    return _NUMBER.sub("*", name)


def block_of(name: str) -> int | None:
    """The first whole number between dots, the block that a layer belongs to; None outside blocks.

    >>> block_of("blocks.11.attention.query.weight"), block_of("fc1.weight")
    (11, None)
    """
    return next((int(part) for part in name.split(".") if part.isdecimal()), None)


def code_of(name: str, text: str) -> float:
    """The place of a text in its column's list; NaN for one that is not in it.

    >>> code_of("tail", "ruled out (p 0.02)"), code_of("tail", "ruled out (finite end)"), code_of("tail", "")
    (3.0, 4.0, nan)
    """
    known = CODES[name]
    word = text if text in known else text.partition(" (")[0]
    return float(known.index(word)) if word in known else math.nan


def _cells(diagnosis: Diagnosis, names: Sequence[str], coded: Sequence[bool]) -> list[float]:
    numbers, texts = diagnosis.numbers, diagnosis.texts
    return [
        code_of(name, texts.get(name, "")) if of_words else numbers.get(name, math.nan)
        for name, of_words in zip(names, coded, strict=True)
    ]
