"""Which numbers become scalars of their own: a handful a layer; the packed table holds all of them.

TensorBoard's data server holds some 500 bytes for each scalar that it loads, beside 40 for a number of the table. Of
models of many layers, scalars of layers are therefore thinned in long runs; averages and the training's own never are.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Literal

from htmu_diag.analysis import QUANTITIES, Diagnosis
from htmu_diag.analysis.quantities import tag
from htmu_diag.analysis.record import StepRecord

__all__ = ["PER_LAYER", "Scalars", "chosen", "thinned"]

Scalars = Literal["few", "all"]
# of each layer; then what spectra without layers are followed by (step lengths, gradient noise, kernels)
PER_LAYER = ("alpha", "log_kappa", "spikes", "stable_rank", "log_norm")
_COMPANIONS = ("step_length", "noise_tail_index", "noise_scale", "target_alignment")
_FEW = frozenset({*PER_LAYER, *_COMPANIONS})
EACH = 64  # records that are logged one by one; then a doubling of their number takes half as many
FEW_LAYERS = 8  # up to here nothing is thinned


def chosen(record: StepRecord, averages: Mapping[str, float], wanted: Scalars) -> dict[str, float]:
    """The numbers of a step that are logged one by one: `PER_LAYER` of each layer, averages, the training's own.

    averages: of the record, as `summarize` gives them.
    """
    of_layers: dict[str, float] = {}
    for diagnosis in record.diagnoses:
        of_layers |= diagnosis.metrics() if wanted == "all" else _few(diagnosis)
    return {**of_layers, **averages, **record.scalars}


def _few(diagnosis: Diagnosis) -> dict[str, float]:
    kind, layer, numbers = diagnosis.source.kind.value, diagnosis.source.name, diagnosis.numbers
    return {tag(kind, name, layer): numbers[name] for name in numbers if name in _FEW and isfinite(numbers[name])}


def thinned(record: StepRecord, number: int) -> frozenset[str]:
    """Groups of tags that the record of this number (from 0) leaves out: those of kinds with many layers, where the
    record is not due. All of the first 64 are due, then every second up to 128, every fourth up to 256, ...
    """
    if number % (1 << (number // EACH).bit_length()) == 0:
        return frozenset()
    kinds = [d.source.kind.value for d in record.diagnoses]
    many = {kind for kind in kinds if kinds.count(kind) > FEW_LAYERS}
    return frozenset(f"{kind}_{name}" for kind in many for name in QUANTITIES)
