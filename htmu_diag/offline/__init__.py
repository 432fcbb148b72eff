"""Analysis of models as they are: a module in memory, a checkpoint, a folder of checkpoints through a training.

A series writes TensorBoard's events; its module is imported on first use, so that one checkpoint does not wait for it.
"""

from typing import TYPE_CHECKING

import htmu_diag.rich_import  # noqa: F401  first of all
from htmu_diag.extras import late_names
from htmu_diag.offline.analyze import Progress, analyze
from htmu_diag.offline.folders import CheckpointSeries, find_series

if TYPE_CHECKING:
    from htmu_diag.offline.series import analyze_series as analyze_series

__all__ = ["CheckpointSeries", "Progress", "analyze", "analyze_series", "find_series"]


if not TYPE_CHECKING:  # a type checker that saw it would take every mistyped name for Any
    __getattr__ = late_names(__name__, {"analyze_series": "series"})
