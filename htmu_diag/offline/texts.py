"""What a person reads on the terminal about an analysis: tables cut to its width, and a few lines in words."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from htmu_diag.analysis import QUANTITIES
from htmu_diag.report import narrow_table, plain_table
from htmu_diag.report.analysis import Analysis
from htmu_diag.report.cells import number
from htmu_diag.safe_text import safe_text

__all__ = ["describe", "say", "show_layers", "show_steps"]

_REASONS = 6  # of skipped tensors: a line each


def show_layers(console: Console, analysis: Analysis) -> None:
    """A row a matrix: boxed and cut to a terminal's width; one plain line each where the output is a file."""
    if not analysis.diagnoses:
        return
    if not console.is_terminal:
        say(console, plain_table(analysis.diagnoses))
        return
    step = "" if analysis.step is None else f", step {analysis.step}"
    table, left_out = narrow_table(analysis.diagnoses, console.width, f"{safe_text(analysis.model)}{step}")
    console.print(table)
    if left_out:
        say(console, f"not in this width: {', '.join(left_out)}; --csv has every number", wrap=True)


def show_steps(console: Console, steps: Sequence[int], summaries: Sequence[Mapping[str, float]]) -> None:
    """A row a checkpoint: means over its layers, and its phases."""
    shown = {q.brief: q.name if q.mean == "sum" else q.summary for q in QUANTITIES.values() if q.brief}
    headings = ["step", *shown, "phases"]
    rows = [
        [str(step), *[number(summary.get(key, math.nan)) for key in shown.values()], _phases(summary)]
        for step, summary in zip(steps, summaries, strict=True)
    ]
    if not console.is_terminal:
        widths = [max(len(row[i]) for row in [headings, *rows]) for i in range(len(headings) - 1)]
        for row in [headings, *rows]:
            aligned = [cell.rjust(width) for cell, width in zip(row[:-1], widths, strict=True)]
            say(console, "  ".join([*aligned, row[-1]]))
        return
    table = Table(box=SIMPLE_HEAD)
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "phases" else "right")
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)


def describe(analysis: Analysis) -> Iterator[str]:
    """The model in a few lines: its means, its phases, what is unusable and what was skipped."""
    summary = analysis.summary()
    shown = {key: number(value) for key, value in summary.items()}
    yield (
        f"mean alpha {shown['alpha_mean']} over {shown['alpha_layers']} of {shown['layers']} "
        f"(noise of these shapes {shown['alpha_noise_mean']}), "
        f"alpha-hat {shown['alpha_weighted_mean']}, kappa {shown['kappa_mean']}, "
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


def say(console: Console, text: str, *, wrap: bool = False) -> None:
    """Lines as they are: never coloured or read as markup; wrapped between words on a terminal, and if asked for."""
    text = "\n".join(safe_text(line, longest=None) for line in text.split("\n"))
    console.print(text, soft_wrap=not (wrap and console.is_terminal), markup=False, emoji=False, highlight=False)


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
