"""A run that can be looked at: `load_run` for people, with views and figures beside the numbers of the store."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from htmu_diag.arguments import PATH, checked
from htmu_diag.extras import Late
from htmu_diag.report.plots import plot_curves, plot_spectra
from htmu_diag.report.stored import history_from_store
from htmu_diag.report.widget import widget
from htmu_diag.storage import Run

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure
else:
    matplotlib = Late("matplotlib")

__all__ = ["ViewedRun", "load_run"]


@checked(directory=PATH)
def load_run(directory: str | os.PathLike[str]) -> ViewedRun:
    """Read a run folder written by `watch`. Raises StorageError where there is none.

    Every access looks at the folder anew, so a run that is still being written can be followed.
    """
    return ViewedRun(directory)


class ViewedRun(Run):
    """A run as it lies on disk, with the views of the Spectra page and figures for papers."""

    def show(self, *others: Run) -> Any:
        """The Spectra page as a widget: this run, and others to compare with. Needs the extra ``notebook``."""
        names = [run.directory.name for run in (self, *others)]
        unique = [name if names.count(name) == 1 else f"{name} ({place})" for place, name in enumerate(names)]
        histories = [history_from_store(run, name) for run, name in zip((self, *others), unique, strict=True)]
        return widget(histories[::-1])

    def plot(
        self,
        quantity: str = "alpha",
        *,
        kind: str = "weights",
        layers: Sequence[str] | None = None,
        interval: bool = False,
        ax: matplotlib.axes.Axes | None = None,
    ) -> matplotlib.figure.Figure:
        """One quantity of every layer through time, see `report.plots.plot_curves`."""
        return plot_curves(self, quantity, kind=kind, layers=layers, interval=interval, ax=ax)

    def plot_spectrum(
        self,
        layer: str,
        *,
        steps: Sequence[int] | None = None,
        kind: str = "weights",
        fits: bool = True,
        ax: matplotlib.axes.Axes | Sequence[matplotlib.axes.Axes] | None = None,
    ) -> matplotlib.figure.Figure:
        """A layer's spectra at several steps on the same axes, see `report.plots.plot_spectra`."""
        return plot_spectra(self, layer, steps=steps, kind=kind, fits=fits, ax=ax)
