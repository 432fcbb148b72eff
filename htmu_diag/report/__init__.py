"""Report: figures and tables of a run. Names are imported at first use: a table needs nothing of what draws figures."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import htmu_diag.rich_import  # noqa: F401  first of all
from htmu_diag.extras import late_names
from htmu_diag.skipped import Skipped

if TYPE_CHECKING:
    from htmu_diag.report.analysis import Analysis, Layer
    from htmu_diag.report.figures import esd_figure, png
    from htmu_diag.report.plots import compare
    from htmu_diag.report.tables import diagnosis_table, markdown_table, narrow_table, plain_table
    from htmu_diag.report.viewed_run import ViewedRun, load_run

    SkippedTensor = Skipped

__all__ = [
    "Analysis",
    "Layer",
    "Skipped",
    "ViewedRun",
    "compare",
    "diagnosis_table",
    "esd_figure",
    "load_run",
    "markdown_table",
    "narrow_table",
    "plain_table",
    "png",
]

_TABLES = ("diagnosis_table", "markdown_table", "narrow_table", "plain_table")
# name -> the module that defines it
_PUBLIC = {
    **dict.fromkeys(("Analysis", "Layer"), "analysis"),
    **dict.fromkeys(("esd_figure", "png"), "figures"),
    "compare": "plots",
    **dict.fromkeys(_TABLES, "tables"),
    **dict.fromkeys(("ViewedRun", "load_run"), "viewed_run"),
}
_late = late_names(__name__, _PUBLIC)


if not TYPE_CHECKING:  # a type checker that saw it would take every mistyped name for Any

    def __getattr__(name: str) -> Any:
        """A public name; ``SkippedTensor`` is `Skipped`, the former name is gone in the next version."""
        if name == "SkippedTensor":
            warnings.warn("htmu_diag.report.SkippedTensor is now Skipped", DeprecationWarning, stacklevel=2)
            return Skipped
        return _late(name)


def __dir__() -> list[str]:
    return sorted(__all__)
