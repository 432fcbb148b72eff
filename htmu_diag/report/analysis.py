"""`Analysis`: one model's spectra with everything that is said about them, as a table, a summary and pictures.

Every tensor with two or more dimensions is in it: as rows, one a matrix, or in ``skipped`` with the reason. A matrix
that cannot be decomposed (a NaN weight) keeps its row, with NaN in place of numbers, and enters no average.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from htmu_diag.analysis import QUANTITIES, Diagnosis, Options, summarize
from htmu_diag.errors import InputError
from htmu_diag.extras import Late, imported
from htmu_diag.nearest import did_you_mean
from htmu_diag.report.figures import esd_figure
from htmu_diag.report.weightwatcher import weightwatcher_row, weightwatcher_summary
from htmu_diag.skipped import Skipped
from htmu_diag.spectrum import Spectrum

if TYPE_CHECKING:
    import matplotlib.figure
    import pandas as pd
else:
    pd, matplotlib = Late("pandas"), Late("matplotlib")

__all__ = ["UNUSABLE", "Analysis", "Layer", "Names"]

Names = Literal["htmu", "weightwatcher"]
UNUSABLE = "unusable"
_IN_WORDS = (
    "tail", "tail_reason", "tail_status", "htmp", "htmp_reason", "htmp_status", "prediction", "law", "law_reason",
    "repulsion", "routine",
)  # fmt: skip
_COUNTED = "alpha", "alpha_predicted", "kappa"
_PANELS = 12  # of a picture of the whole model: more would not be readable


@dataclass(frozen=True)
class Layer:
    """One matrix of the model: its name, (rows, columns), role ("linear", "conv", "query", ...), and what was found.

    diagnosis: None where it is unusable; ``reason`` then says why in one sentence.
    """

    name: str
    shape: tuple[int, int]
    role: str
    diagnosis: Diagnosis | None
    reason: str = ""

    def row(self) -> dict[str, Any]:
        """Its row: identity, every number of its diagnosis, verdict, reason, how it was computed."""
        found = {} if self.diagnosis is None else self.diagnosis.row()
        identity = {"name": self.name, "role": self.role, "rows": self.shape[0], "columns": self.shape[1]}
        verdict = {"verdict": found.get("verdict", UNUSABLE), "reason": found.get("reason", self.reason)}
        how = {key: found.get(key, "") for key in _IN_WORDS}
        return {**identity, **{q: found.get(q, math.nan) for q in QUANTITIES}, **verdict, **how}


@dataclass(frozen=True)
class Analysis:
    """What `htmu_diag.analyze` returns.

    model: the path, or the module's class. layers: every matrix in the model's order. skipped: every other tensor.
    options: of the fits. step: of the checkpoint, None where it is not known.
    """

    model: str
    layers: tuple[Layer, ...]
    skipped: tuple[Skipped, ...] = ()
    options: Options = field(default_factory=Options)
    step: int | None = None

    @property
    def diagnoses(self) -> tuple[Diagnosis, ...]:
        """One for each usable matrix."""
        return tuple(layer.diagnosis for layer in self.layers if layer.diagnosis is not None)

    @property
    def spectra(self) -> tuple[Spectrum, ...]:
        """The spectrum of each usable matrix."""
        return tuple(diagnosis.spectrum for diagnosis in self.diagnoses)

    @property
    def unusable(self) -> tuple[Layer, ...]:
        """Matrices that could not be decomposed, each with its reason."""
        return tuple(layer for layer in self.layers if layer.diagnosis is None)

    def __getitem__(self, name: str) -> Diagnosis:
        """The diagnosis of one matrix. Raises InputError with the reason where there is none."""
        if name in self._by_name:
            return self._by_name[name]
        reasons = [layer.reason for layer in self.unusable if layer.name == name]
        reasons += [skip.reason for skip in self.skipped if skip.name == name]
        known = ", ".join(list(self._by_name)[:3]) or "none"
        hint = did_you_mean(str(name), self._by_name, f"there are {known}, ...")
        raise InputError(f"{name}: {reasons[0] if reasons else f'no such matrix; {hint}'}")

    @cached_property
    def _by_name(self) -> Mapping[str, Diagnosis]:
        return {layer.name: layer.diagnosis for layer in self.layers if layer.diagnosis is not None}

    def rows(self, names: Names = "htmu") -> list[dict[str, Any]]:
        """One row a matrix. htmu: names of `analysis.QUANTITIES`; weightwatcher: its columns, see docs/analyze.md.

        The columns do not depend on the model, but for those of kernels and optimizers and the entropy of vectors that
        were not asked for: they are left out where no row has them.
        """
        if names not in ("htmu", "weightwatcher"):
            raise InputError(f"names={names!r} is unknown; use 'htmu' or 'weightwatcher'")
        rows = [layer.row() for layer in self.layers]
        if names == "weightwatcher":
            return [weightwatcher_row(i, row, self._by_name.get(row["name"])) for i, row in enumerate(rows)]
        elsewhere = (q.name for q in QUANTITIES.values() if not q.of_weights)
        absent = {name for name in elsewhere if all(math.isnan(row[name]) for row in rows)}
        return [{key: value for key, value in row.items() if key not in absent} for row in rows]

    def to_pandas(self, names: Names = "htmu") -> pd.DataFrame:
        """`rows` as a data frame. Needs pandas (``pip install htmu_diag[pandas]``)."""
        made: pd.DataFrame = imported("pandas", "Analysis.to_pandas").DataFrame(self.rows(names))
        return made

    def summary(self, names: Names = "htmu") -> dict[str, float]:
        """Model-level numbers; NaN where no layer has one.

        htmu: means over layers as in the live curves (fitted numbers from layers of at least 30 eigenvalues);
        ``alpha_weighted_mean`` is the field's alpha-hat; ``kappa_mean`` is the geometric mean of the layers that
        are not noise, ``kappa_median`` the median of all (N or more: most are noise); sums of layers, layers behind
        fitted means (``alpha_layers``), behind the mean of kappa (``kappa_layers``) and behind the mean prediction
        (``alpha_predicted_layers``: those that the fitted law describes), spikes and unusable matrices, and a count
        for each phase that occurs.
        weightwatcher: what its ``get_summary`` gives: plain means over all rows that have the number.
        """
        if names == "weightwatcher":
            return weightwatcher_summary(self.rows(names))
        found = {key.removeprefix("summary/weights_"): value for key, value in summarize(self.diagnoses).items()}
        of_weights = [q.summary for q in QUANTITIES.values() if q.mean == "mean" and q.of_weights]
        means = {name: found.get(name, math.nan) for name in of_weights}
        kappas = {"kappa_mean": 10.0 ** means["log_kappa_mean"], "kappa_median": found.get("kappa_median", math.nan)}
        counts = {"layers": float(len(self.layers))}
        counts |= {f"{name}_layers": found.get(f"{name}_layers_count", 0.0) for name in _COUNTED}
        counts |= {"unusable": float(len(self.unusable))}
        counts |= {"spikes": found["spikes_sum"]} if "spikes_sum" in found else {}
        counts |= {key.removesuffix("_count"): v for key, v in found.items() if key.startswith("phase_") and v}
        return {**counts, **means, **kappas}

    def plot(self, name: str | None = None) -> matplotlib.figure.Figure:
        """The log-log density with its fitted laws of one matrix, or of the largest twelve side by side."""
        if name is not None:
            return esd_figure(self[name])
        by_size = sorted(range(len(self.diagnoses)), key=lambda i: -self.diagnoses[i].spectrum.dimension)[:_PANELS]
        return esd_figure([self.diagnoses[i] for i in sorted(by_size)], title=self.model)
