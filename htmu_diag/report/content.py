"""All that is shown of an analysis, or of one for each step, computed once; `writers` put it where it was asked for."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from htmu_diag.analysis import QUANTITIES
from htmu_diag.analysis.summary import FEWEST
from htmu_diag.analysis.words import brief_number, mean_kappa_words
from htmu_diag.report.analysis import Analysis, Names
from htmu_diag.report.export import as_content
from htmu_diag.report.tables import cells_of
from htmu_diag.report.text_table import TextTable

__all__ = ["Content", "StepsContent", "content_of"]

_REASONS = 6  # of skipped tensors: a line each


@dataclass(frozen=True)
class Content:
    """What writers take.

    data: everything as plain values. rows: one a matrix (and step), for CSV. table: for reading, with its title;
    cut: whether it may lose columns on a narrow terminal. words: lines below it. shown: whose pictures are drawn.
    """

    data: dict[str, Any]
    rows: list[dict[str, Any]]
    table: TextTable
    title: str
    words: tuple[str, ...]
    shown: Analysis
    cut: bool = True


def content_of(analysis: Analysis, names: Names = "htmu") -> Content:
    """Of one model: a row a matrix."""
    data = as_content(analysis, names)
    summary = data["summary"] if names == "htmu" else analysis.summary()
    step = "" if analysis.step is None else f", step {analysis.step}"
    words = tuple(_described(analysis, summary))
    return Content(data, data["layers"], cells_of(analysis.diagnoses), f"{analysis.model}{step}", words, analysis)


@dataclass
class StepsContent:
    """Of a training: a row a step. Of each step plain values are kept; spectra and fits of the last one only."""

    checkpoints: str
    names: Names = "htmu"
    steps: list[dict[str, Any]] = field(default_factory=list)
    summaries: list[Mapping[str, float]] = field(default_factory=list)
    last: Analysis | None = None

    def add(self, analysis: Analysis) -> None:
        """One more step."""
        self.steps.append(as_content(analysis, self.names))
        self.summaries.append(self.steps[-1]["summary"] if self.names == "htmu" else analysis.summary())
        self.last = analysis

    def whole(self) -> Content | None:
        """None where no step was added."""
        if self.last is None:
            return None
        rows = [{"step": one["step"], **row} for one in self.steps for row in one["layers"]]
        data = {"checkpoints": self.checkpoints, "steps": self.steps}
        table = _through_time([one["step"] for one in self.steps], self.summaries)
        return Content(data, rows, table, "", (), self.last, cut=False)


def _through_time(steps: Sequence[int], summaries: Sequence[Mapping[str, float]]) -> TextTable:
    """Means over the layers of each step, over how many of them, and their phases."""
    shown = {q.brief: q.name if q.mean == "sum" else q.summary for q in QUANTITIES.values() if q.brief}
    rows = [
        [
            str(step),
            _behind(summary),
            *[brief_number(key, summary.get(key, math.nan)) for key in shown.values()],
            _phases(summary),
        ]
        for step, summary in zip(steps, summaries, strict=True)
    ]
    return TextTable.of(["step", "layers", *shown, "phases"], rows, left=[len(shown) + 2])


def _behind(summary: Mapping[str, float]) -> str:
    """How many layers the means of fitted numbers are over, of how many."""
    return f"{summary.get('alpha_layers', 0):.0f} of {summary.get('layers', 0):.0f}"


def _described(analysis: Analysis, summary: Mapping[str, float]) -> Iterator[str]:
    """The model in a few lines: its means, its phases, what is unusable and what was skipped."""
    shown = {key: brief_number(key, value) for key, value in summary.items()}
    fits = [one.htmp for one in analysis.diagnoses if one.htmp is not None and one.numbers["dimension"] >= FEWEST]
    yield (
        f"mean alpha {shown['alpha_mean']} over {shown['alpha_layers']} of {shown['layers']} "
        f"(noise of these shapes {shown['alpha_noise_mean']}), "
        f"alpha-hat {shown['alpha_weighted_mean']}, "
        f"kappa {mean_kappa_words(fits)} (HTMP describes {shown['alpha_predicted_layers']} of {shown['layers']}), "
        f"stable rank {shown['stable_rank_mean']}"
    )
    yield (
        f"mean log10 norms: Frobenius {shown['log_frobenius_norm_mean']}, "
        f"spectral {shown['log_spectral_norm_mean']}, alpha {shown['log_alpha_norm_mean']}"
    )
    count = len(analysis.layers)
    yield f"{count} {'matrix' if count == 1 else 'matrices'}: {_phases(summary) or 'no phase was determined'}"
    for layer in analysis.unusable:
        yield f"unusable: {layer.reason if layer.name in layer.reason else f'{layer.name}: {layer.reason}'}"
    yield from _skipped(analysis)


def _phases(summary: Mapping[str, float]) -> str:
    """Such as "3 heavy-tailed, 1 random-like", the most frequent first."""
    counts = {key.removeprefix("phase_"): value for key, value in summary.items() if key.startswith("phase_")}
    return ", ".join(f"{count:.0f} {phase}" for phase, count in sorted(counts.items(), key=lambda pair: -pair[1]))


def _skipped(analysis: Analysis) -> Iterator[str]:
    """Reasons with a first example; what --include and --exclude left out was asked for and needs no line."""
    reasons = Counter(skip.reason for skip in analysis.skipped if not skip.reason.startswith("matches "))
    for reason, count in reasons.most_common(_REASONS):
        first = next(skip.name for skip in analysis.skipped if skip.reason == reason)
        yield f"skipped: {first}{f' and {count - 1} more' if count > 1 else ''}: {reason}"
    if len(reasons) > _REASONS:
        yield f"skipped: {len(reasons) - _REASONS} further reasons; --json lists every tensor"
