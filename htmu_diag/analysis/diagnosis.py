"""What is said about one spectrum, as values: the only place that turns mathematics into names of curves."""

from __future__ import annotations

import pickle
from dataclasses import MISSING, dataclass, field, fields, replace
from functools import cached_property
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from htmu_diag.analysis.causes import cause_numbers
from htmu_diag.analysis.norms import weight_norms
from htmu_diag.analysis.numbers import (
    bulk_numbers,
    htmp_bulk_numbers,
    htmp_numbers,
    inverse_gamma_numbers,
    law_numbers,
    lower_numbers,
    prediction_numbers,
    tail_numbers,
)
from htmu_diag.analysis.outliers import outlier_numbers
from htmu_diag.analysis.quantities import QUANTITIES
from htmu_diag.analysis.repulsion import RepulsionReading
from htmu_diag.analysis.shape import SpectrumShape
from htmu_diag.fits import BulkFit, GapRatio, LawFit, TailFit
from htmu_diag.fits.law_ranking import LawRanking
from htmu_diag.fits.series import SeriesFit
from htmu_diag.kinds import Orientation
from htmu_diag.spectrum import Source, Spectrum
from htmu_diag.theory import Phase, PhaseReading
from htmu_diag.theory.phases import NOT_CLASSIFIED
from htmu_diag.theory.predictions import Prediction

__all__ = ["FITS", "PACKED", "Diagnosis"]

PACKED = "_packed"  # where a diagnosis keeps fits that nobody has asked for, as bytes


@dataclass(frozen=True)
class Diagnosis:
    """Everything that is said about one spectrum.

    tail: power law of the upper tail; lower: of the lower tail (kernels and step lengths), else None.
    bulk: Marchenko-Pastur fit; htmp: HTMP fit in the field's orientation; htmp_other: in the other one.
    htmp_bulk: HTMP fit to the bulk below the spikes (direct orientation). inverse_gamma: fit near zero (kernels).
    laws: which law is likeliest, rivals too.
    gaps, repulsion: local repulsion, and what it says beside kappa. phase: one of the 5+1 phases, with the reason.
    series: of values in time order; ``tail`` and ``lower`` are then those of the values over their running median.
    near_zero: share of the eigenvalues near zero beyond that of noise of this shape.
    alpha_noise, prediction: what the estimator gives on noise of this shape, and on the fitted HTMP law, above the
    same quantile and the same xmin.
    """

    spectrum: Spectrum
    shape: SpectrumShape
    tail: TailFit
    lower: TailFit | None = None
    bulk: BulkFit | None = None
    htmp: LawFit | None = None
    htmp_other: LawFit | None = None
    htmp_bulk: LawFit | None = None
    laws: LawRanking | None = None
    inverse_gamma: LawFit | None = None
    gaps: GapRatio | None = None
    repulsion: RepulsionReading | None = None
    alpha_noise: float = np.nan
    prediction: Prediction = field(default_factory=Prediction)
    near_zero: float = np.nan
    series: SeriesFit | None = None
    phase: PhaseReading = NOT_CLASSIFIED

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """A fit that was not there yet: all of them are unpacked for the first one."""
            kept = vars(self)
            if name in FITS and (packed := kept.get(PACKED)) is not None:
                kept.update(pickle.loads(packed))
                kept.pop(PACKED, None)
            if name in kept:
                return kept[name]
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def source(self) -> Source:
        return self.spectrum.source

    @cached_property
    def verdict(self) -> str:
        """The phase in words, or what else the spectrum is; without either, whether the tail is a power law."""
        if self.phase.phase is not Phase.UNDETERMINED:
            return str(self.phase.phase.value)
        if self.phase.name:
            return self.phase.name
        word = self.tail.verdict.word
        return {"fits": "power-law tail", "ruled out": "no power law"}.get(word, word)

    @property
    def alpha_predicted(self) -> float:
        """Alpha on the fitted law, above the measured xmin."""
        return self.prediction.alpha

    @cached_property
    def prediction_stands(self) -> bool:
        """False where the law behind the prediction is known not to describe the spectrum: it predicts nothing then."""
        return self.htmp is None or self.htmp.law is None or self.htmp.reading.stands

    @property
    def fitted(self) -> Spectrum:
        """What the laws were fitted to: the spectrum, or what is left of a series after its running median."""
        if self.series is None:
            return self.spectrum
        return Spectrum.exact(
            self.series.left, replace(self.source, unit=f"{self.source.unit}, over its running median")
        )

    @property
    def orientation(self) -> Orientation:
        """The orientation in which `htmp` was fitted."""
        return self.source.kind.orientation

    @cached_property
    def numbers(self) -> dict[str, float]:
        """Every number by its name in `quantities`, NaN where it has no value. What came with the spectrum never takes
        the place of what is computed from it; what no table knows is left out."""
        brought = self.spectrum.scalars.items()
        return self.computed | {name: v for name, v in brought if name in QUANTITIES and name not in self.computed}

    @cached_property
    def computed(self) -> dict[str, float]:
        """Those that follow from the spectrum and its fits alone, wherever they are made: a process that fits knows no
        quantities from outside."""
        sign = 1.0 if self.orientation == "direct" else -1.0
        gap = (
            np.nan if not (self.htmp and self.htmp_other) else self.htmp_other.log_likelihood - self.htmp.log_likelihood
        )
        return {
            **self.shape.numbers(),
            **tail_numbers(self.tail, self.shape.log_norm),
            **weight_norms(self.spectrum, self.tail.alpha),
            **lower_numbers(self.lower),
            "alpha_noise": self.alpha_noise,
            **prediction_numbers(self.prediction),
            **(htmp_numbers(self.htmp) if self.htmp else {}),
            **(htmp_bulk_numbers(self.htmp_bulk) if self.htmp_bulk else {}),
            "inverse_advantage": sign * gap,
            **(law_numbers(self.laws, "HTMP" if self.orientation == "direct" else "InverseHTMP") if self.laws else {}),
            **(bulk_numbers(self.bulk) if self.bulk else {}),
            **(inverse_gamma_numbers(self.inverse_gamma, self.spectrum.dimension) if self.inverse_gamma else {}),
            **({"gap_ratio": self.gaps.mean, "gap_ratio_stderr": self.gaps.stderr} if self.gaps else {}),
            **(self.repulsion.numbers() if self.repulsion else {}),
            "near_zero": self.near_zero,
            **({"autocorrelation": self.series.autocorrelation, "drift": self.series.drift} if self.series else {}),
            **self._phase_numbers(),
            **cause_numbers(self.spectrum),
            **outlier_numbers(self.spectrum),
        }

    def _phase_numbers(self) -> dict[str, float]:
        if self.phase.phase is Phase.UNDETERMINED:
            return {}
        return {"phase": float(self.phase.phase.order), "phase_margin": self.phase.margin}

    def metrics(self) -> dict[str, float]:
        """Finite numbers by tag (``weights_alpha/fc1.weight``), as `quantities.tag` makes it."""
        kind, layer = self.source.kind.value, self.source.name
        return {f"{kind}_{name}/{layer}": value for name, value in self.numbers.items() if isfinite(value)}

    def row(self) -> dict[str, Any]:
        """One row of a table: where it comes from, every number, the verdict with its reason, how it was computed."""
        source = self.source
        return {
            "name": source.name,
            "kind": source.kind.value,
            "rows": source.shape[0],
            "columns": source.shape[1],
            "step": source.step,
            **self.numbers,
            **self.texts,
        }

    def words(self) -> dict[str, str]:
        """The verdict with its reason, what is said of each fit, how the spectrum was computed."""
        return dict(self.texts)

    @cached_property
    def texts(self) -> dict[str, str]:
        """`words`, kept."""
        tail = self.tail.verdict
        htmp = self.htmp.reading if self.htmp else None
        stands = htmp is None or self.htmp is None or self.htmp.law is None or htmp.stands
        return {
            "verdict": self.verdict,
            "reason": self.phase.reason,
            "tail": tail.label,
            "tail_reason": tail.reason,
            "tail_status": self.tail.status.code,
            **({"lower": self.lower.verdict.label} if self.lower else {}),
            "htmp_status": "" if self.htmp is None else self.htmp.status.code if stands else "does_not_describe",
            "htmp": htmp.word if htmp else "",
            "htmp_reason": htmp.reason if htmp else "",
            "prediction": "" if stands else "law does not describe",
            "law": self.laws.best.label if self.laws and self.laws.best else "",
            "law_reason": self.laws.sentence if self.laws else "",
            "repulsion": self.repulsion.sentence if self.repulsion else "",
            "routine": self.spectrum.estimator.routine,
        }


FITS = frozenset(each.name for each in fields(Diagnosis)) - {"spectrum"}
for _each in fields(Diagnosis):  # a default of the class would be found in place of what is packed
    if _each.default is not MISSING:
        delattr(Diagnosis, _each.name)
