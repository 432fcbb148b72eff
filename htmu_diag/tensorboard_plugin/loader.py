"""What TensorBoard imports at every start, whether or not a run was written by us: as light as can be."""

from __future__ import annotations

from typing import Any

from tensorboard.plugins import base_plugin

__all__ = ["Loader"]

NAME = "htmu"
SAMPLES = 500  # steps kept of each series; a number the user gives on the command line stays


class Loader(base_plugin.TBLoader):  # type: ignore[misc]
    """Makes the plugin, and asks the data server for more steps than it keeps of plugins that it does not know."""

    def fix_flags(self, flags: Any) -> None:
        """Raise the number of steps that are kept of our tensors (the loaders' own: 100 and 10)."""
        if flags.samples_per_plugin is not None:
            flags.samples_per_plugin.setdefault(NAME, SAMPLES)

    def load(self, context: Any) -> Any:
        """The plugin, for this server."""
        from htmu_diag.tensorboard_plugin.plugin import Plugin  # numpy and the analysis wait until here

        return Plugin(context)
