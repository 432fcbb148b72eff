"""The layout of TensorBoard's Custom Scalars page: averages over layers.

TensorBoard colours by run, so that the layers of one run would all have one colour: the Spectra page tells them apart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.custom_scalar.layout_pb2 import Category, Chart, Layout, MultilineChartContent
from tensorboard.plugins.custom_scalar.metadata import CONFIG_SUMMARY_TAG, PLUGIN_NAME

from htmu_diag.analysis import QUANTITIES, StepRecord
from htmu_diag.sinks.summaries import plugin_metadata, text_tensor

__all__ = ["add_layout", "layout"]

_TOGETHER = ("alpha_mean", "alpha_noise_mean", "alpha_predicted_mean")
_HOW = re.compile(r"(.+)_(mean|median|sum|count)")


def layout(record: StepRecord) -> Layout:
    """A category for each kind of spectrum in the record: alpha beside noise and prediction, phases, other averages."""
    metrics = record.metrics()
    kinds = dict.fromkeys(d.source.kind.value for d in record.diagnoses)
    found = [_category(kind, metrics) for kind in kinds]
    return Layout(category=[category for category in found if category.chart])


def add_layout(summary: Summary, record: StepRecord) -> None:
    """Put the layout into a summary."""
    tensor = text_tensor(layout(record).SerializeToString())
    summary.value.add(tag=CONFIG_SUMMARY_TAG, tensor=tensor, metadata=plugin_metadata(PLUGIN_NAME))


def _category(kind: str, metrics: Mapping[str, float]) -> Category:
    words, start = kind.replace("_", " "), f"summary/{kind}_"
    names = [tag.removeprefix(start) for tag in metrics if tag.startswith(start)]
    phases = [name for name in names if name.startswith("phase_")]
    together = [name for name in _TOGETHER if name in names]
    counted = [name for name in names if name.endswith("_layers_count")]
    single = [name for name in names if name not in (*_TOGETHER, *phases, *counted, "layers_count")]
    groups = {"mean alpha, on noise, predicted": together, "layers in each phase": phases}
    groups |= {"layers behind the means of alpha, predicted": counted}
    groups |= {_title(name): [name] for name in single}
    charts = [_lines(f"{words}: {title}", start, members) for title, members in groups.items() if members]
    return Category(title=f"{words}: averages over layers", chart=charts)


def _title(name: str) -> str:
    """A summary's name in words: how it was averaged, of what, its symbol."""
    match = _HOW.fullmatch(name)
    if match is None or match[1] not in QUANTITIES:
        return name.replace("_", " ")
    symbol = QUANTITIES[match[1]].symbol
    return f"{match[2]} {match[1].replace('_', ' ')}" + (f" ({symbol})" if symbol != match[1] else "")


def _lines(title: str, start: str, names: list[str]) -> Chart:
    patterns = [f"{re.escape(start + name)}$" for name in names]
    return Chart(title=title, multiline=MultilineChartContent(tag=patterns))
