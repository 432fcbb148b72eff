"""Report: figures and tables of a run. matplotlib is imported when the first figure is drawn."""

import htmu_diag.rich_import  # noqa: F401  first of all
from htmu_diag.report.analysis import Analysis, Layer, SkippedTensor
from htmu_diag.report.figures import esd_figure, png
from htmu_diag.report.narrow_table import narrow_table
from htmu_diag.report.plots import compare
from htmu_diag.report.tables import diagnosis_table, markdown_table, plain_table
from htmu_diag.report.viewed_run import ViewedRun, load_run

__all__ = [
    "Analysis",
    "Layer",
    "SkippedTensor",
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
