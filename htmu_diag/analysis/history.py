"""A whole run as the views need it: its tables, densities, curves and what failed, whatever they were read from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from htmu_diag.analysis.assembled import Densities, Piece, Table, joined_densities, joined_tables
from htmu_diag.analysis.outline import outline_of

__all__ = ["Curve", "History", "finite", "flat_settings", "history_of", "plain_settings"]

Curve = Sequence[tuple[int, float | None]]


@dataclass(frozen=True)
class History:
    """One run. tables: by kind. densities: by (kind, layer). scalars: of the training and averages, by tag.
    events: (step, sentence). config: its settings, flat. outline: see `outline_of`."""

    name: str
    outline: Mapping[str, Any]
    tables: Mapping[str, Table]
    densities: Mapping[tuple[str, str], Densities]
    scalars: Mapping[str, Curve] = field(default_factory=dict)
    events: Sequence[tuple[int, str]] = ()
    config: Mapping[str, Any] = field(default_factory=dict)


def history_of(
    name: str,
    pieces: Iterable[Piece],
    scalars: Mapping[str, Curve],
    events: Sequence[tuple[int, str]],
    config: Mapping[str, Any],
) -> History:
    """A run from the points of its tables and densities; of the scalars those that are not of single layers."""
    known = [piece for piece in pieces if piece.about and len(piece.steps)]
    outline = outline_of(name, [(piece.about, max(piece.steps)) for piece in known])
    tables: dict[str, list[Piece]] = {}
    layers: dict[tuple[str, str], list[Piece]] = {}
    for piece in known:
        if piece.about["what"] == "table":
            tables.setdefault(piece.about["kind"], []).append(piece)
        else:
            layers.setdefault((piece.about["kind"], piece.about["layer"]), []).append(piece)
    settings = plain_settings(config)
    own = {tag: curve for tag, curve in scalars.items() if not any(tag.startswith(f"{kind}_") for kind in tables)}
    return History(
        name,
        {**outline, "scalars": sorted(own), "config": settings},
        {kind: joined_tables(parts) for kind, parts in tables.items()},
        {key: joined_densities(parts) for key, parts in layers.items()},
        {tag: [(step, finite(value)) for step, value in curve] for tag, curve in own.items()},
        events,
        settings,
    )


def flat_settings(config: Mapping[str, Any], start: str = "") -> dict[str, Any]:
    """Nested settings under dotted names; lists and other objects become their text, None is left out.

    >>> flat_settings({"model": {"width": 64}, "sizes": [3, 4], "note": None})
    {'model.width': 64, 'sizes': '[3, 4]'}
    """
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat |= flat_settings(value, f"{start}{key}.")
        elif value is not None:
            flat[f"{start}{key}"] = value if isinstance(value, (bool, int, float, str)) else str(value)
    return flat


def plain_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as JSON knows them: numbers that are not finite become their text."""
    return {key: str(v) if isinstance(v, float) and not math.isfinite(v) else v for key, v in config.items()}


def finite(value: float | None) -> float | None:
    """A number that JSON knows, or None."""
    return value if value is not None and math.isfinite(value) else None
