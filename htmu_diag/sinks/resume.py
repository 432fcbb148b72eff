"""What a resumed run keeps of the step at which it starts.

A checkpoint at step s holds the state after s steps, so everything logged at s belongs to the past that is kept; but
the mark at the start of a new event file drops steps >= s, and a measurement due at s is made again. So the numbers,
tables and densities of step s are read from the earlier files and written once more, except those that the resumed run
itself gives for s. An attempt that resumed at s too and was killed before it had written anything took nothing of s
away.
"""

from __future__ import annotations

from pathlib import Path

from tensorboard.compat.proto.event_pb2 import SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary

from htmu_diag.analysis.packed import PLUGIN
from htmu_diag.sinks.event_reader import events_of
from htmu_diag.sinks.events import PREFIX

__all__ = ["carried_at", "without_renewed"]


def carried_at(folder: Path, step: int) -> Summary:
    """The scalars, tables and densities of one step, as the event files of a folder show them now; each tag once."""
    found: dict[str, Summary.Value] = {}
    for path in sorted(folder.glob(f"{PREFIX}*")):
        for event in events_of(path):
            if event.session_log.status == SessionLog.START and event.step < step:
                found = {}
            elif event.step == step:
                found |= {value.tag: value for value in event.summary.value if _is_kept(value)}
    return Summary(value=list(found.values()))


def without_renewed(carried: Summary, renewed: Summary) -> Summary:
    """What is carried but for the curves that were given again, and for the tables and densities of kinds that were
    measured again."""
    tags = {value.tag for value in renewed.value}
    groups = {value.tag.partition("/")[0] for value in renewed.value if value.HasField("tensor")}
    kept = [
        value
        for value in carried.value
        if value.tag not in tags and not (value.HasField("tensor") and value.tag.partition("/")[0] in groups)
    ]
    return Summary(value=kept)


def _is_kept(value: Summary.Value) -> bool:
    return bool(value.HasField("simple_value") or value.metadata.plugin_data.plugin_name == PLUGIN)
