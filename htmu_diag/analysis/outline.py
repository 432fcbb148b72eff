"""What a run has, in one small value that every host of the views gives: kinds, layers in order, steps, quantities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from htmu_diag.analysis.assembled import merged_order

__all__ = ["outline_of"]


def outline_of(run: str, described: Iterable[tuple[Mapping[str, Any], int]]) -> dict[str, Any]:
    """The outline of a run from the descriptions of its tags, each with its last step.

    ``{"name", "last", "kinds": {kind: {"layers": [...], "quantities": [...], "codes": {...}, "last": step}}}``; a
    layer says its name, shape, role, depth, and, where it has spectra, their unit, rows and method.
    """
    tables: dict[str, list[Mapping[str, Any]]] = {}
    densities: dict[str, dict[str, Mapping[str, Any]]] = {}
    last: dict[str, int] = {}
    for about, step in described:
        kind = about["kind"]
        last[kind] = max(step, last.get(kind, step))
        if about["what"] == "table":
            tables.setdefault(kind, []).append(about)
        else:
            densities.setdefault(kind, {}).setdefault(about["layer"], about)
    kinds = {kind: {**_kind(tables[kind], densities.get(kind, {})), "last": last[kind]} for kind in sorted(tables)}
    return {"name": run, "last": max(last.values(), default=0), "kinds": dict(sorted(kinds.items(), key=_place))}


def _kind(tables: list[Mapping[str, Any]], densities: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    names = merged_order([[layer["name"] for layer in table["layers"]] for table in _longest_first(tables)])
    described = {layer["name"]: layer for table in tables for layer in table["layers"]}
    shown = ("unit", "rows", "method")
    layers = [
        {**described[name], **{key: densities[name].get(key) for key in shown if name in densities}} for name in names
    ]
    quantities = merged_order([table["quantities"] for table in _longest_first(tables)])
    return {"layers": layers, "quantities": quantities, "codes": tables[0].get("codes", {})}


def _longest_first(tables: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Loaders give tags in any order; the fullest table is the best account of the model's."""
    return sorted(tables, key=lambda table: (-len(table["layers"]), str(table["layers"])))


def _place(item: tuple[str, Any]) -> tuple[bool, str]:
    return item[0] != "weights", item[0]
