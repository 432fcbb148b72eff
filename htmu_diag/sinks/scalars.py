"""Which numbers become scalars of their own: a handful a layer; the packed table holds all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from htmu_diag.analysis import QUANTITIES
from htmu_diag.analysis.record import StepRecord

__all__ = ["PER_LAYER", "Scalars", "chosen"]

Scalars = Literal["few", "all"]
# of each layer; then what spectra without layers are followed by (step lengths, gradient noise, kernels)
PER_LAYER = ("alpha", "log_kappa", "spikes", "stable_rank", "log_norm")
_COMPANIONS = ("step_length", "noise_tail_index", "noise_scale", "target_alignment")


def chosen(record: StepRecord, metrics: Mapping[str, float], wanted: Scalars) -> dict[str, float]:
    """The numbers of a step that are logged one by one: averages, the training's own, `PER_LAYER` of each layer."""
    if wanted == "all":
        return dict(metrics)
    kinds = dict.fromkeys(d.source.kind.value for d in record.diagnoses)
    others = [name for name in QUANTITIES if name not in (*PER_LAYER, *_COMPANIONS)]
    left_out = {f"{kind}_{name}" for kind in kinds for name in others}
    return {
        tag: value for tag, value in metrics.items() if tag.partition("/")[0] not in left_out or tag in record.scalars
    }
