"""The rows of an offline W&B run, read from its file: records framed as LevelDB frames its log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_BLOCK, _HEAD = 32768, 7


def read_runs(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Run id -> its rows, each with ``_step``, out of every offline run below a folder."""
    return {path.stem.removeprefix("run-"): list(_rows(path)) for path in folder.glob("wandb/offline-run-*/*.wandb")}


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    from wandb.proto import wandb_internal_pb2 as messages

    for frame in _frames(path.read_bytes()):
        record = messages.Record.FromString(frame)
        if record.WhichOneof("record_type") == "history":
            items = record.history.item
            yield {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


def _frames(data: bytes) -> Iterator[bytes]:
    """Whole records; kinds of piece: 1 whole, 2 first, 3 middle, 4 last."""
    place, record = _HEAD, b""  # the file begins with a mark of as many bytes as a piece's head
    while place + _HEAD <= len(data):
        if _BLOCK - place % _BLOCK < _HEAD:
            place += _BLOCK - place % _BLOCK
            continue
        size, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        record += data[place + _HEAD : place + _HEAD + size]
        place += _HEAD + size
        if kind in (1, 4):
            yield record
            record = b""
