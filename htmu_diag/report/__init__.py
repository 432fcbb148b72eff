"""Report: figures and tables of a run. matplotlib is imported when the first figure is drawn."""

import htmu_diag.rich_import  # noqa: F401  first of all
from htmu_diag.report.analysis import Analysis, Layer, SkippedTensor
from htmu_diag.report.figures import esd_figure, png
from htmu_diag.report.narrow_table import narrow_table
from htmu_diag.report.tables import diagnosis_table, markdown_table, plain_table

__all__ = [
    "Analysis",
    "Layer",
    "SkippedTensor",
    "diagnosis_table",
    "esd_figure",
    "markdown_table",
    "narrow_table",
    "plain_table",
    "png",
]
