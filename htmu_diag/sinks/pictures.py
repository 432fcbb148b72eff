"""Pictures of each layer's density with its fits, for TensorBoard's Images page."""

from __future__ import annotations

from tensorboard.compat.proto.summary_pb2 import Summary

from htmu_diag.analysis.record import StepRecord
from htmu_diag.report.figures import esd_figure, png
from htmu_diag.sinks.summaries import add_picture

__all__ = ["MOST", "add_figures"]

MOST = 32  # figures of a step; a larger model shows its largest layers, so that closing a run stays short
_DPI = 80


def add_figures(summary: Summary, record: StepRecord) -> None:
    """One picture a layer under ``<kind>_esd/<layer>``, of the largest MOST spectra."""
    by_size = sorted(record.diagnoses, key=lambda d: -d.spectrum.values.size)[:MOST]
    for diagnosis in by_size:
        figure = esd_figure(diagnosis)
        width, height = (round(side * _DPI) for side in figure.get_size_inches())
        tag = f"{diagnosis.source.kind.value}_esd/{diagnosis.source.name}"
        add_picture(summary, tag, png(figure, dpi=_DPI), width, height)
