"""A run read back from its own event files: every step, without TensorBoard and without fitting anything again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary

from htmu_diag.analysis.assembled import Floats32, Piece
from htmu_diag.analysis.history import History, history_of
from htmu_diag.analysis.packed import PLUGIN, VERSION
from htmu_diag.errors import InputError
from htmu_diag.sinks.event_reader import events_of
from htmu_diag.sinks.events import PREFIX
from htmu_diag.sinks.hparams import SESSION_START, settings
from htmu_diag.sinks.summaries import DTYPES
from htmu_diag.warned import warn

__all__ = ["history_from_events"]

_NOT_OURS = (LookupError, ValueError, TypeError, AttributeError, RecursionError)  # a value that no sink of ours wrote


@dataclass
class _Found:
    """What the files hold so far. A resumed attempt takes away what it supersedes."""

    abouts: dict[str, dict[str, Any]] = field(default_factory=dict)
    arrays: dict[str, dict[int, Floats32]] = field(default_factory=dict)
    scalars: dict[str, dict[int, float | None]] = field(default_factory=dict)
    events: dict[int, str] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)

    def supersede(self, start: int) -> None:
        series: list[dict[int, Any]] = [*self.arrays.values(), *self.scalars.values(), self.events]
        for points in series:
            for step in [step for step in points if step >= start]:
                del points[step]

    def take(self, value: Summary.Value, step: int) -> None:
        plugin = value.metadata.plugin_data.plugin_name
        if value.HasField("simple_value"):
            self.scalars.setdefault(value.tag, {})[step] = value.simple_value
        elif plugin == PLUGIN:
            self._take_array(value, step)
        elif value.tag == "run/events":
            self.events[step] = value.tensor.string_val[0].decode(errors="replace")
        elif value.tag == SESSION_START:
            self.config = settings(value.metadata.plugin_data.content)

    def _take_array(self, value: Summary.Value, step: int) -> None:
        if value.metadata.plugin_data.content:
            self.abouts.setdefault(value.tag, json.loads(value.metadata.plugin_data.content))
        shape = [dim.size for dim in value.tensor.tensor_shape.dim]
        self.arrays.setdefault(value.tag, {})[step] = np.frombuffer(
            value.tensor.tensor_content, DTYPES[value.tensor.dtype]
        ).reshape(shape)


def history_from_events(folder: Path, name: str) -> History | None:
    """The run whose event files lie in a folder; None where they hold no tables of ours."""
    found = _Found()
    for path in sorted(folder.glob(f"{PREFIX}*")):
        for event in _readable(path):
            if event.session_log.status == SessionLog.START:
                found.supersede(event.step)
            for value in event.summary.value:
                with suppress(*_NOT_OURS):
                    found.take(value, event.step)
    abouts = {tag: about for tag, about in found.abouts.items() if isinstance(about, dict)}
    pieces = [
        Piece(abouts[tag], sorted(points), [points[step] for step in sorted(points)])
        for tag, points in found.arrays.items()
        if abouts.get(tag, {}).get("version") == VERSION
    ]
    if not pieces:
        return None
    scalars = {tag: sorted(points.items()) for tag, points in found.scalars.items() if points}
    return history_of(name, pieces, scalars, sorted(found.events.items()), found.config)


def _readable(path: Path) -> Iterator[Event]:
    """The events of a file up to where it is damaged; a file that cannot be read costs itself."""
    try:
        yield from events_of(path)
    except DecodeError:
        return
    except (OSError, InputError) as error:
        warn(f"dropped {path}: {error}")
