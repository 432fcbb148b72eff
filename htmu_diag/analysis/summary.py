"""Model-level numbers: averages over the layers of one kind, failed and tiny layers left out.

A fit to the ten eigenvalues of a last layer has a standard error larger than its estimate; one such layer would
move the mean of a small model more than training does. Averages of fitted numbers are therefore taken over spectra with
at least `FEWEST` eigenvalues; their own curves show the others. A prediction of a law that does not describe its
spectrum predicts nothing, so the mean prediction leaves it out; noise has no kappa of its own, and the end of the grid
in its place would tell how many layers are noise, so the mean of log kappa leaves it out. How many layers a mean is
over stands beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any

import numpy as np

from htmu_diag.analysis.diagnosis import Diagnosis
from htmu_diag.analysis.numbers import LARGEST_KAPPA
from htmu_diag.analysis.quantities import QUANTITIES
from htmu_diag.analysis.reading import Reading
from htmu_diag.arguments import checked, several
from htmu_diag.theory import Phase

__all__ = ["summarize"]

FEWEST = 30  # of noise matrices, one in five has no tail to fit at 10 eigenvalues, one in forty at 30 (200 draws)
# of kappa, which goes over decades, a mean would be one layer's number
_AVERAGES: dict[str, Callable[[Sequence[float]], Any]] = {"mean": np.mean, "median": np.median, "sum": sum}


@checked(diagnoses=several("a list of diagnoses", "source", "numbers"))
def summarize(diagnoses: Sequence[Diagnosis | Reading]) -> dict[str, float]:
    """Averages for each kind, under ``summary/<kind>_<quantity>_mean``; layers without a number are not counted.

    Medians, sums and counts say so as well: ``_kappa_median``, ``_spikes_sum``, ``_layers_count`` (how many spectra),
    ``_alpha_layers_count`` (how many of them the averages of fitted numbers are over),
    ``_alpha_predicted_layers_count`` (how many the mean prediction is over: those that the fitted law describes),
    ``_kappa_layers_count`` (how many the mean of log kappa is over: those that are not noise; without any no mean),
    and ``_phase_<phase>_count`` for each phase, zeros included, of kinds that have phases.
    """
    summary: dict[str, float] = {}
    for kind in dict.fromkeys(d.source.kind for d in diagnoses):
        members = [d for d in diagnoses if d.source.kind == kind]
        summary.update({f"summary/{kind.value}_{name}": value for name, value in _of_one_kind(members).items()})
    return summary


def _of_one_kind(members: Sequence[Diagnosis | Reading]) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for row in QUANTITIES.values():
        values = _finite(members, row.name) if row.mean else []
        if values:
            numbers[row.summary] = float(_AVERAGES[row.mean](values))
    numbers["layers_count"] = float(len(members))
    numbers["alpha_layers_count"] = float(len(_finite(members, "alpha")))
    if any(isfinite(d.numbers.get("alpha_predicted", np.nan)) for d in members):
        numbers["alpha_predicted_layers_count"] = float(len(_finite(members, "alpha_predicted")))
    if any(isfinite(d.numbers.get("kappa", np.nan)) for d in members):
        numbers["kappa_layers_count"] = float(len(_finite(members, "log_kappa")))
    phases = Counter(d.verdict for d in members)
    names = [phase.value for phase in Phase if phase is not Phase.UNDETERMINED]
    known = names if any(phases[name] for name in names) else []
    return numbers | {f"phase_{name}_count": float(phases[name]) for name in known}


def _finite(members: Sequence[Diagnosis | Reading], name: str) -> list[float]:
    least = FEWEST if QUANTITIES[name].fitted else 0
    counted = [d for d in members if d.numbers["dimension"] >= least]
    if name == "alpha_predicted":
        counted = [d for d in counted if d.prediction_stands]
    if name == "log_kappa":
        counted = [d for d in counted if not _of_noise(d)]
    numbers = (d.numbers.get(name, np.nan) for d in counted)
    return [number for number in numbers if isfinite(number)]


def _of_noise(found: Diagnosis | Reading) -> bool:
    """Whether N or more is all that can be said of its kappa; from what is stored, too."""
    return found.texts.get("htmp_status") == "noise" or found.numbers.get("kappa", np.nan) >= LARGEST_KAPPA
