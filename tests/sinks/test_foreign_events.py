"""Event files that somebody else made: what is no file of events costs itself, and the run's store is read."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata

from htmu_diag.analysis.packed import PLUGIN
from htmu_diag.sinks.event_reader import events_of
from htmu_diag.sinks.framing import framed
from htmu_diag.sinks.history import history_from_events

NAME = "events.out.tfevents.1.x.1"


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)


def claims(path: Path) -> None:
    path.write_bytes(framed(b"")[:0] + (2**62).to_bytes(8, "little") + bytes(100))


def odd_values(path: Path) -> None:
    plugin = SummaryMetadata.PluginData(plugin_name=PLUGIN, content=b"[]")
    values = [
        Summary.Value(tag="run/events"),
        Summary.Value(tag="x", metadata=SummaryMetadata(plugin_data=plugin)),
        Summary.Value(tag="y", metadata=SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=PLUGIN))),
    ]
    path.write_bytes(framed(Event(step=1, summary=Summary(value=values)).SerializeToString()))


ODD: dict[str, Callable[[Path], object]] = {
    "fifo": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "loop": lambda path: path.symlink_to(path),
    "folder": Path.mkdir,
    "a terabyte of nothing": sparse,
    "an event of exabytes": claims,
    "values that no sink wrote": odd_values,
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.filterwarnings("ignore:dropped:RuntimeWarning")
def test_what_is_no_file_of_events_costs_itself(odd: str, tmp_path: Path) -> None:
    ODD[odd](tmp_path / NAME)
    assert history_from_events(tmp_path, "run") is None


def test_events_end_where_a_checksum_differs(tmp_path: Path) -> None:
    event = framed(Event(step=1).SerializeToString())
    for place in range(len(event)):
        bits = bytearray(event)
        bits[place] ^= 1
        (tmp_path / NAME).write_bytes(event + bytes(bits) + event)
        assert len(list(events_of(tmp_path / NAME))) == 1
