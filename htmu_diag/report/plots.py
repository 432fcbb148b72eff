"""Figures of runs for papers: curves of every layer, spectra through time on shared axes, two runs beside each other.

Every function takes ``ax`` (or draws a figure of its own) and returns the figure; labels are mathtext; PDF and SVG are
vector graphics. Numbers are the stored ones; only the spectra that are drawn with their laws are fitted again.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from htmu_diag.analysis import QUANTITIES, diagnose
from htmu_diag.arguments import PATH, checked, either, having, instance
from htmu_diag.errors import InputError
from htmu_diag.extras import Late
from htmu_diag.nearest import did_you_mean, near_steps
from htmu_diag.report.labels import set_scale, shortened
from htmu_diag.report.panel import draw_fits, limits, log_histogram, positive
from htmu_diag.storage import Run, load_run
from htmu_diag.ui import words

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure
else:
    matplotlib = Late("matplotlib")

__all__ = ["compare", "mathtext", "plot_curves", "plot_spectra"]

_GREEK = ("alpha", "kappa", "lambda", "gamma", "tau", "theta", "Sigma")
_LEGEND = 12  # layers at most for which each line is named
_NAME = 32  # characters of a layer's name
_HEIGHT = 3.4  # inches of a picture of its own
_PANEL = (2.9, 2.6)  # inches of one of several spectra


def mathtext(name: str) -> str:
    """A quantity's symbol for matplotlib.

    >>> mathtext("log_kappa"), mathtext("lambda_max"), mathtext("n_tail"), mathtext("spikes")
    ('$\\\\log_{10}\\\\,\\\\kappa$', '$\\\\lambda_{max}$', '$n_{tail}$', '$k$')
    """
    symbol = QUANTITIES[name].symbol.replace("log10 ", r"\log_{10}\,").replace("%", r"\%")
    for word in _GREEK:
        symbol = re.sub(rf"(?<![A-Za-z\\]){word}(?![a-z])", rf"\\{word}", symbol)
    return "$" + re.sub(r"_([A-Za-z0-9.+%\\-]+)", r"_{\1}", symbol) + "$"


def plot_curves(
    run: Run,
    quantity: str = "alpha",
    *,
    kind: str = "weights",
    layers: Sequence[str] | None = None,
    interval: bool = False,
    ax: matplotlib.axes.Axes | None = None,
) -> matplotlib.figure.Figure:
    """One quantity of every layer through time; dark lines lie early in the model.

    layers: a choice of names, all by default. interval: the 95 % interval of each as a band, where it has one.
    Raises InputError for an unknown quantity or layer, and where no layer has a value.
    """
    found = _curves(run, quantity, kind)
    chosen = found.layers if layers is None else tuple(layers)
    unknown = [name for name in chosen if name not in found.layers]
    if unknown:
        hint = did_you_mean(unknown[0], found.layers, f"it has {', '.join(found.layers[:4])}, ...")
        raise InputError(f"{unknown[0]}: no such layer in {run.directory}; {hint}")
    axes = _axes(ax)
    for place, name in enumerate(chosen):
        column = found.layers.index(name)
        (line,) = axes.plot(
            found.steps,
            found.values[:, column],
            color=_colour(place, len(chosen)),
            label=_said(name),
            lw=1.4,
            marker="o",
            ms=3,
            markevery=_alone(found.values[:, column]),
        )
        if interval and f"{quantity}_low" in QUANTITIES:
            low, high = (bound.values[:, column] for bound in _bounds(run, quantity, kind))
            axes.fill_between(found.steps, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
    axes.set_xlabel("optimizer step")
    axes.set_ylabel(mathtext(quantity))
    if len(chosen) <= _LEGEND:
        axes.legend(fontsize=8, frameon=False)
    return _figure(axes)


def plot_spectra(
    run: Run,
    layer: str,
    *,
    steps: Sequence[int] | None = None,
    kind: str = "weights",
    fits: bool = True,
    ax: matplotlib.axes.Axes | Sequence[matplotlib.axes.Axes] | None = None,
) -> matplotlib.figure.Figure:
    """A layer's log-log densities at several steps side by side on the same axes, so that they can be compared.

    steps: by default the first measured one, one in the middle and the last. fits: draw the fitted laws too. ax: one
    axis a step. Raises InputError for a layer or a step that was not measured.
    """
    series = {s.source.step: s for s in run.series(layer, kind)}
    wanted = _default_steps(list(series)) if steps is None else list(steps)
    missing = [step for step in wanted if step not in series]
    if missing or not wanted:
        first = missing[0] if missing else None
        known = near_steps([step for step in series if step is not None], first)
        raise InputError(f"{layer}: no spectrum at step {'-' if first is None else first}; measured steps: {known}")
    panels = _panels(ax, len(wanted))
    each: list[tuple[Any, Any]] = []
    for panel, step in zip(panels, wanted, strict=True):
        diagnosis = diagnose(series[step], run.options)
        values, masses = positive(diagnosis)
        edges, density = log_histogram(values, masses)
        panel.stairs(density, edges, fill=True, color="#cfd4da")
        across, up = limits(edges, density)
        panel.set(xscale="log", yscale="log", xlim=across, ylim=up)
        each.append((panel.get_xlim(), panel.get_ylim()))
        if fits:
            draw_fits(panel, diagnosis, edges, float(masses.sum()))
        panel.set_title(f"step {step}", fontsize=9)
        panel.set_xlabel(words()["values"].get(kind, r"$\lambda$"))
    _share(panels, each)
    for panel in panels:
        low, high = panel.get_xlim()
        set_scale(panel.xaxis, low, high, most=4)
    panels[0].set_ylabel("density")
    return _figure(panels[0])


_RUN = either(having("what load_run gave", "metrics"), PATH)


@checked(one=_RUN, two=_RUN, quantity=instance("the name of a quantity", str))
def compare(
    one: Run | str | os.PathLike[str],
    two: Run | str | os.PathLike[str],
    quantity: str = "alpha",
    *,
    kind: str = "weights",
    ax: matplotlib.axes.Axes | None = None,
) -> matplotlib.figure.Figure:
    """Every layer of two runs at the last step that both measured, with 95 % intervals where the quantity has them.

    one, two: runs, or their folders. Layers stand in the order of the first run; those that the other lacks are left
    out. Raises InputError where the runs have no step or no layer in common, or one has no such values.
    """
    one, two = (load_run(run) if isinstance(run, str | os.PathLike) else run for run in (one, two))
    first, second = (_curves(run, quantity, kind) for run in (one, two))
    common = sorted({*first.steps.tolist()} & {*second.steps.tolist()})
    names = [name for name in first.layers if name in second.layers]
    if not common or not names:
        raise InputError(f"{one.directory} and {two.directory} have no step or no layer in common")
    axes = _axes(ax, height=max(_HEIGHT, 0.9 + 0.14 * len(names)))  # inches: a line of text a layer
    for run, found, shift, colour in ((one, first, -0.12, "#1f6fb4"), (two, second, 0.12, "#d1495b")):
        row = found.steps.tolist().index(common[-1])
        columns = [found.layers.index(name) for name in names]
        places = np.arange(len(names)) + shift
        axes.plot(found.values[row, columns], places, "o", color=colour, ms=4, label=f"{run.directory.name}")
        if f"{quantity}_low" in QUANTITIES:
            low, high = (bound.values[row, columns] for bound in _bounds(run, quantity, kind))
            axes.hlines(places, low, high, color=colour, lw=1, alpha=0.6)
    axes.set_yticks(range(len(names)), [_said(name.removesuffix(".weight")) for name in names], fontsize=7)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel(f"{mathtext(quantity)} at step {common[-1]}")
    axes.legend(fontsize=8, frameon=False)
    return _figure(axes)


def _said(name: str) -> str:
    """A layer's name as a label: short enough to leave room for the lines, no formula, not hidden by an underscore."""
    text = shortened(name, _NAME).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def _curves(run: Run, quantity: str, kind: str) -> Any:
    found = run.metrics(quantity, kind=kind, fit=False)
    if not np.isfinite(found.values).any():
        kinds = ", ".join(run.kinds) or "no spectra"
        said = f"no {quantity} of {kind} to draw; measured are {kinds}: pass kind=..., or another quantity"
        raise InputError(f"{run.directory}: {said}")
    return found


def _bounds(run: Run, quantity: str, kind: str) -> list[Any]:
    return [run.metrics(f"{quantity}_{end}", kind=kind, fit=False) for end in ("low", "high")]


def _alone(values: Any) -> list[int]:
    """Places of values without a neighbour, where a line draws nothing."""
    known = np.concatenate([[False], np.isfinite(values), [False]])
    return [int(place) for place in np.flatnonzero(known[1:-1] & ~known[:-2] & ~known[2:])]


def _default_steps(steps: Sequence[Any]) -> list[Any]:
    return sorted({steps[0], steps[len(steps) // 2], steps[-1]}) if steps else []


def _colour(place: int, count: int) -> Any:
    from matplotlib import colormaps

    return colormaps["viridis"](0.92 * place / max(count - 1, 1))


def _axes(ax: matplotlib.axes.Axes | None, height: float = _HEIGHT) -> Any:
    return ax if ax is not None else _new(1, (5.2, height))[0]


def _panels(ax: matplotlib.axes.Axes | Sequence[matplotlib.axes.Axes] | None, count: int) -> list[Any]:
    if ax is None:
        return _new(count, (_PANEL[0] * count, _PANEL[1]))
    panels = list(ax) if isinstance(ax, (Sequence, np.ndarray)) else [ax]
    if len(panels) != count:
        raise InputError(f"{len(panels)} axes for {count} steps; pass one axis for each step")
    return panels


def _new(count: int, size: tuple[float, float]) -> list[Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return list(figure.subplots(1, count, squeeze=False).ravel())


def _share(panels: Sequence[Any], limits: Sequence[tuple[Any, Any]]) -> None:
    for which, setter in ((0, "set_xlim"), (1, "set_ylim")):
        low, high = min(one[which][0] for one in limits), max(one[which][1] for one in limits)
        for panel in panels:
            getattr(panel, setter)(low if math.isfinite(low) else None, high if math.isfinite(high) else None)


def _figure(axes: Any) -> matplotlib.figure.Figure:
    figure: matplotlib.figure.Figure = axes.figure
    return figure
