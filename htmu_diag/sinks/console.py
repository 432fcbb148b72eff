"""One line a step on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape

from htmu_diag.analysis.quantities import QUANTITIES
from htmu_diag.analysis.record import StepRecord
from htmu_diag.analysis.words import brief_number

__all__ = ["ConsoleSink"]


class ConsoleSink:
    """Prints the model-level numbers of each measured step, and every event.

    console: a rich console; pass the progress bar's own one, so that lines appear above the bar.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()

    def open(self, run: Mapping[str, Any], *, start_step: int) -> None:
        """Nothing to prepare."""

    def write(self, record: StepRecord) -> None:
        if record.diagnoses:
            self._console.print(_line(record), highlight=False, soft_wrap=True)
        for event in record.events:
            self._console.print(f"  [yellow]{escape(event)}[/yellow]", highlight=False)

    def close(self) -> None:
        """Nothing to flush."""


def _line(record: StepRecord) -> str:
    metrics = record.metrics()
    kinds = dict.fromkeys(diagnosis.source.kind.value for diagnosis in record.diagnoses)
    parts = [f"step {record.step:>7}"]
    for kind in kinds:
        briefs = [q.summary for q in sorted(QUANTITIES.values(), key=lambda q: not q.fitted) if q.brief]
        numbers = ((name, metrics.get(f"summary/{kind}_{name}")) for name in briefs)
        shown = [
            f"{name.replace('_', ' ')} {brief_number(name, value)}" for name, value in numbers if value is not None
        ]
        fitted, layers = (metrics.get(f"summary/{kind}_{name}", 0) for name in ("alpha_layers_count", "layers_count"))
        over = f" (fits of {fitted:.0f} of {layers:.0f})" if fitted < layers else ""
        parts.append(f"{kind}{over}: {', '.join(shown) or 'nothing to report'}")
    parts += [f"{escape(tag)} {value:.4g}" for tag, value in record.scalars.items()]
    return "  ".join(parts)
