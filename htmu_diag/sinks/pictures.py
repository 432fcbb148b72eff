"""Pictures of layers' densities with their fits, for TensorBoard's Images page: its first page, weights first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tensorboard.compat.proto.summary_pb2 import Summary

from htmu_diag.analysis import Diagnosis
from htmu_diag.analysis.record import StepRecord
from htmu_diag.report.card import CARD_PIXELS, Cards
from htmu_diag.sinks.summaries import add_picture
from htmu_diag.spectrum import Kind

__all__ = ["MOST", "add_figures"]

MOST = 12  # pictures of a step: what the page shows without a click, and a second or two of drawing


def add_figures(summary: Summary, record: StepRecord) -> None:
    """One picture a layer under ``<kind>_esd/<layer>``: weights first, MOST of them at even distances in the model."""
    cards = Cards()
    for diagnosis in _chosen(record.diagnoses):
        tag = f"{diagnosis.source.kind.value}_esd/{diagnosis.source.name}"
        add_picture(summary, tag, cards.png(diagnosis), *CARD_PIXELS)


def _chosen(diagnoses: Sequence[Diagnosis]) -> list[Diagnosis]:
    ordered = sorted(diagnoses, key=lambda d: d.source.kind != Kind.WEIGHTS)
    weights = sum(d.source.kind == Kind.WEIGHTS for d in ordered)
    if weights < MOST:
        return ordered[:MOST]
    return [ordered[round(place)] for place in np.linspace(0, weights - 1, MOST)]
