"""Report: figures and tables of a run. matplotlib is imported when the first figure is drawn."""

import warnings
from typing import Any

import htmu_diag.rich_import  # noqa: F401  first of all
from htmu_diag.report.analysis import Analysis, Layer
from htmu_diag.report.figures import esd_figure, png
from htmu_diag.report.plots import compare
from htmu_diag.report.tables import diagnosis_table, markdown_table, narrow_table, plain_table
from htmu_diag.report.viewed_run import ViewedRun, load_run
from htmu_diag.skipped import Skipped

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


def __getattr__(name: str) -> Any:
    """``SkippedTensor`` is `Skipped`; the former name is gone in the next version."""
    if name == "SkippedTensor":
        warnings.warn("htmu_diag.report.SkippedTensor is now Skipped", DeprecationWarning, stacklevel=2)
        return Skipped
    raise AttributeError(f"module 'htmu_diag.report' has no attribute {name!r}; it has {', '.join(__all__)}")
