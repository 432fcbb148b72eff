"""Analysis of models as they are: a module in memory, a checkpoint, a folder of checkpoints through a training."""

import htmu_diag.rich_import  # noqa: F401  first of all
from htmu_diag.offline.analyze import Progress, analyze
from htmu_diag.offline.folders import CheckpointSeries, find_series
from htmu_diag.offline.series import analyze_series

__all__ = ["CheckpointSeries", "Progress", "analyze", "analyze_series", "find_series"]
