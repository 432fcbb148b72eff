"""The layout of TensorBoard's Custom Scalars page: alpha with its interval, all layers of a quantity."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.custom_scalar.layout_pb2 import (
    Category,
    Chart,
    Layout,
    MarginChartContent,
    MultilineChartContent,
)
from tensorboard.plugins.custom_scalar.metadata import CONFIG_SUMMARY_TAG, PLUGIN_NAME

from htmu_diag.analysis import QUANTITIES, StepRecord
from htmu_diag.analysis.quantities import tag
from htmu_diag.sinks.summaries import plugin_metadata, text_tensor

__all__ = ["add_layout", "layout"]

_OVERVIEW = ("alpha", "log_kappa", "alpha_predicted", "spikes", "ks", "stable_rank", "log_norm", "gap_ratio", "phase")
_MODEL = ("alpha_mean", "alpha_noise_mean", "alpha_predicted_mean")
_OPEN = 24  # charts of a category that start unfolded; more would take the browser long to draw


def layout(record: StepRecord) -> Layout:
    """Categories for each kind of spectrum in the record: every quantity over layers, alpha of each layer."""
    layers: dict[str, list[str]] = {}
    for diagnosis in record.diagnoses:
        layers.setdefault(diagnosis.source.kind.value, []).append(diagnosis.source.name)
    return Layout(category=[c for kind, names in layers.items() for c in _categories(kind, names, record.metrics())])


def add_layout(summary: Summary, record: StepRecord) -> None:
    """Put the layout into a summary."""
    tensor = text_tensor(layout(record).SerializeToString())
    summary.value.add(tag=CONFIG_SUMMARY_TAG, tensor=tensor, metadata=plugin_metadata(PLUGIN_NAME))


def _categories(kind: str, names: Sequence[str], metrics: Mapping[str, float]) -> list[Category]:
    words = kind.replace("_", " ")
    model = [f"summary/{kind}_{name}" for name in _MODEL]
    logged = [name for name in _OVERVIEW if any(t.startswith(f"{kind}_{name}/") for t in metrics)]
    overview = [_lines(f"{words}: mean alpha, on noise, predicted", [f"{re.escape(t)}$" for t in model])]
    overview += [_lines(_title(words, name), [re.escape(f"{kind}_{name}/")]) for name in logged]
    intervals = [_margin(kind, name) for name in names]
    return [
        Category(title=f"{words}: all layers", chart=overview),
        Category(title=f"{words}: alpha with its 95 % interval", chart=intervals, closed=len(intervals) > _OPEN),
    ]


def _title(words: str, name: str) -> str:
    symbol = QUANTITIES[name].symbol
    return f"{words}: {name.replace('_', ' ')}" + (f" ({symbol})" if symbol != name else "")


def _lines(title: str, patterns: Sequence[str]) -> Chart:
    return Chart(title=title, multiline=MultilineChartContent(tag=list(patterns)))


def _margin(kind: str, name: str) -> Chart:
    value, lower, upper = (tag(kind, quantity, name) for quantity in ("alpha", "alpha_low", "alpha_high"))
    series = MarginChartContent.Series(value=value, lower=lower, upper=upper)
    return Chart(title=name, margin=MarginChartContent(series=[series]))
