"""A diagnosed step: what sinks receive and what `htmu_diag.load_run` gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from htmu_diag.analysis.diagnosis import Diagnosis
from htmu_diag.analysis.summary import summarize

__all__ = ["StepRecord"]


@dataclass(frozen=True)
class StepRecord:
    """All diagnoses of one optimizer step.

    step: optimizer steps taken. wall_time: seconds since the epoch, as measured.
    diagnoses: one for each spectrum, in the order of the model.
    scalars: numbers of the training itself under their full tags ("train/loss").
    events: sentences about what could not be measured ("fc2.weight: 3 of 64 values are NaN ...").
    """

    step: int
    wall_time: float
    diagnoses: tuple[Diagnosis, ...] = ()
    scalars: Mapping[str, float] = field(default_factory=dict)
    events: tuple[str, ...] = ()

    def metrics(self) -> dict[str, float]:
        """Every finite number of the step by its tag: ``weights_alpha/<layer>``, ``summary/...``, then the scalars."""
        tagged: dict[str, float] = {}
        for diagnosis in self.diagnoses:
            tagged.update(diagnosis.metrics())
        return {**tagged, **summarize(self.diagnoses), **self.scalars}
