"""Format 2 of what the Spectra page reads: one packed table a step and kind, one density a step and layer, as tensors.

    <kind>_table/<id>         float32 (layers, quantities), see `analysis.packed`
    <kind>_density/<layer>    16 bits or float32 (rows, 1 + bins), see `analysis.density`
    <kind>_table_start/<id>, <kind>_start/<layer>     the same of the first measurement

TensorBoard keeps a random choice of a long series that may lack its first step; the start is therefore written under
tags of its own. The plugin data of a tag's first event in a file is JSON (`about_table`, `about_density`): readers keep
the first one and ignore later ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt
from tensorboard.compat.proto.summary_pb2 import Summary

from htmu_diag.analysis import Diagnosis
from htmu_diag.analysis.densities import densities
from htmu_diag.analysis.packed import PLUGIN, Columns, about_density, about_table, table, table_id
from htmu_diag.sinks.summaries import array_tensor, plugin_metadata

__all__ = ["Packer"]

_KNOWN = plugin_metadata(PLUGIN)  # of a tag that was described


class Packer:
    """Puts the tensors of a step into its event; remembers what was described and started in this file."""

    def __init__(self) -> None:
        self._described: set[str] = set()
        self._started: set[str] = set()
        self._columns: dict[str, Columns] = {}
        self._order: dict[str, dict[str, int]] = {}  # kind -> layer -> place in the model

    def add(self, summary: Summary, diagnoses: Sequence[Diagnosis]) -> None:
        """Tables and densities of one step."""
        for kind in dict.fromkeys(d.source.kind.value for d in diagnoses):
            members = [d for d in diagnoses if d.source.kind.value == kind]
            self._add_table(summary, kind, members)
            self._add_densities(summary, kind, members)

    def _add_table(self, summary: Summary, kind: str, members: Sequence[Diagnosis]) -> None:
        names = self._columns.setdefault(kind, Columns()).with_those_of(members)
        sources = [d.source for d in members]
        known = table_id([s.name for s in sources], names)
        about = about_table(kind, sources, names)
        self._add(summary, f"{kind}_table", f"{kind}_table_start", known, table(members, names), about)

    def _add_densities(self, summary: Summary, kind: str, members: Sequence[Diagnosis]) -> None:
        order = self._order.setdefault(kind, {})
        for diagnosis, found in zip(members, densities(members), strict=True):
            place = order.setdefault(diagnosis.source.name, len(order))
            if found is not None:
                nodes = diagnosis.spectrum.estimator.method == "quadrature"
                about = about_density(diagnosis.source, place, quadrature=nodes)
                self._add(summary, f"{kind}_density", f"{kind}_start", diagnosis.source.name, found.packed(), about)

    def _add(
        self,
        summary: Summary,
        group: str,
        start: str,
        name: str,
        rows: npt.NDArray[Any],
        about: Mapping[str, Any],
    ) -> None:
        groups = [group] if f"{start}/{name}" in self._started else [group, start]
        self._started.add(f"{start}/{name}")
        for tag in (f"{each}/{name}" for each in groups):
            content = b"" if tag in self._described else json.dumps(about).encode()
            self._described.add(tag)
            metadata = plugin_metadata(PLUGIN, content) if content else _KNOWN
            summary.value.add(tag=tag, tensor=array_tensor(rows), metadata=metadata)
