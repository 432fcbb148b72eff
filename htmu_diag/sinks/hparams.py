"""Hyperparameters for TensorBoard's HParams page, beside the curves in the same run and the same event file.

The page shows one row a run: its hyperparameters, and the last value of each scalar that is named as a metric. torch's
``add_hparams`` opens a second event file in the run; TensorBoard then stops reading the first one, which still grows.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import metadata
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

__all__ = ["add_experiment", "add_session_end", "add_session_start", "flattened"]

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
    _add(summary, metadata.SESSION_START_INFO_TAG, HParamsPluginData(session_start_info=start))


def add_experiment(summary: Summary, hparams: Mapping[str, HParam], metrics: Iterable[str]) -> None:
    """The columns of the page: these hyperparameters, and the last value of these scalars."""
    kinds = {bool: DATA_TYPE_BOOL, float: DATA_TYPE_FLOAT64, str: DATA_TYPE_STRING}
    experiment = Experiment(
        hparam_infos=[HParamInfo(name=name, type=kinds[type(value)]) for name, value in hparams.items()],
        metric_infos=[MetricInfo(name=MetricName(tag=tag)) for tag in metrics],
    )
    _add(summary, metadata.EXPERIMENT_TAG, HParamsPluginData(experiment=experiment))


def add_session_end(summary: Summary) -> None:
    """The run was closed in good order."""
    end = SessionEndInfo(status=STATUS_SUCCESS, end_time_secs=time.time())
    _add(summary, metadata.SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=end))


def _add(summary: Summary, tag: str, data: HParamsPluginData) -> None:
    summary.value.add(tag=tag, metadata=metadata.create_summary_metadata(data), tensor=metadata.NULL_TENSOR)


def _plain(value: object) -> HParam:
    if isinstance(value, bool | str):
        return value
    return float(value) if isinstance(value, int | float) else str(value)
