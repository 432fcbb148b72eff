"""Analysis of models as they are: a module in memory, a checkpoint, a folder of checkpoints through a training.

A series writes TensorBoard's events; its module is imported on first use, so that one checkpoint does not wait for it.
"""

from typing import TYPE_CHECKING, Any

import htmu_diag.rich_import  # noqa: F401  first of all
from htmu_diag.offline.analyze import Progress, analyze
from htmu_diag.offline.folders import CheckpointSeries, find_series

if TYPE_CHECKING:
    from htmu_diag.offline.series import analyze_series as analyze_series

__all__ = ["CheckpointSeries", "Progress", "analyze", "analyze_series", "find_series"]


if not TYPE_CHECKING:  # a type checker that saw it would take every mistyped name for Any

    def __getattr__(name: str) -> Any:
        if name != "analyze_series":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from htmu_diag.offline.series import analyze_series

        return analyze_series
