"""Hyperparameters for TensorBoard's HParams page, beside the curves in the same run and the same event file.

The page shows one row a run: its hyperparameters, and the last value of each scalar that is named as a metric. torch's
``add_hparams`` opens a second event file in the run; TensorBoard then stops reading the first one, which still grows.
Names and version are those of ``tensorboard.plugins.hparams.metadata``, which brings TensorFlow's stand-in, absl and
fsspec along: half of what the sinks took to import.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_FLOAT
from tensorboard.plugins.hparams.api_pb2 import (
    DATA_TYPE_BOOL,
    DATA_TYPE_FLOAT64,
    DATA_TYPE_STRING,
    STATUS_SUCCESS,
    Experiment,
    HParamInfo,
    MetricInfo,
    MetricName,
)
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo

__all__ = ["SESSION_START", "add_experiment", "add_session_end", "add_session_start", "flattened", "settings"]

_PLUGIN, _VERSION = "hparams", 0
_EXPERIMENT, _SESSION_END = "_hparams_/experiment", "_hparams_/session_end_info"
SESSION_START = "_hparams_/session_start_info"

HParam = bool | float | str


def flattened(config: Mapping[str, Any], prefix: str = "") -> dict[str, HParam]:
    """A nested configuration as dotted names; lists and other objects become their text, None is left out.

    >>> flattened({"model": {"width": 64}, "augment": False, "sizes": [3, 4], "note": None})
    {'model.width': 64.0, 'augment': False, 'sizes': '[3, 4]'}
    """
    flat: dict[str, HParam] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat |= flattened(value, f"{prefix}{key}.")
        elif value is not None:
            flat[f"{prefix}{key}"] = _plain(value)
    return flat


def add_session_start(summary: Summary, hparams: Mapping[str, HParam]) -> None:
    """What this run was started with."""
    start = SessionStartInfo(start_time_secs=time.time())
    for name, value in hparams.items():
        field = {bool: "bool_value", float: "number_value", str: "string_value"}[type(value)]
        setattr(start.hparams[name], field, value)
    _add(summary, SESSION_START, HParamsPluginData(session_start_info=start))


def settings(content: bytes) -> dict[str, HParam]:
    """What a run was started with, by name, from the content of its `SESSION_START`; none of another version's."""
    data = HParamsPluginData.FromString(content)
    if data.version != _VERSION:
        return {}
    return {name: getattr(v, v.WhichOneof("kind")) for name, v in sorted(data.session_start_info.hparams.items())}


def add_experiment(summary: Summary, hparams: Mapping[str, HParam], metrics: Iterable[str]) -> None:
    """The columns of the page: these hyperparameters, and the last value of these scalars."""
    kinds = {bool: DATA_TYPE_BOOL, float: DATA_TYPE_FLOAT64, str: DATA_TYPE_STRING}
    experiment = Experiment(
        hparam_infos=[HParamInfo(name=name, type=kinds[type(value)]) for name, value in hparams.items()],
        metric_infos=[MetricInfo(name=MetricName(tag=tag)) for tag in metrics],
    )
    _add(summary, _EXPERIMENT, HParamsPluginData(experiment=experiment))


def add_session_end(summary: Summary) -> None:
    """The run was closed in good order."""
    end = SessionEndInfo(status=STATUS_SUCCESS, end_time_secs=time.time())
    _add(summary, _SESSION_END, HParamsPluginData(session_end_info=end))


def _add(summary: Summary, tag: str, data: HParamsPluginData) -> None:
    nothing = TensorProto(dtype=DT_FLOAT, tensor_shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=0)]))
    data.version = _VERSION
    plugin = SummaryMetadata.PluginData(plugin_name=_PLUGIN, content=data.SerializeToString())
    summary.value.add(tag=tag, metadata=SummaryMetadata(plugin_data=plugin), tensor=nothing)


def _plain(value: object) -> HParam:
    if isinstance(value, bool | str):
        return value
    return float(value) if isinstance(value, int | float) else str(value)
