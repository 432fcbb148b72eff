"""One panel: an empirical spectral density in log-log axes, and the laws fitted to it.

The histogram's bins are equally wide in log x, its height is a density in x: share of all eigenvalues over the bin's
width. A fitted law is scaled by the share of the eigenvalues that it was fitted to, so that curves and bars agree.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from htmu_diag.analysis import Diagnosis
from htmu_diag.analysis.density import law_share
from htmu_diag.analysis.outliers import are_outliers
from htmu_diag.analysis.shape import numerical_zero
from htmu_diag.analysis.words import kappa_words, with_error
from htmu_diag.fits import LawFit
from htmu_diag.laws.base import Law
from htmu_diag.report.labels import INK, add_legend, set_scale, title
from htmu_diag.spectrum import Floats

__all__ = ["BARS", "EDGE", "LAW", "TAIL", "draw_esd", "draw_fits", "limits", "log_histogram", "positive"]

BARS, TAIL, LAW, EDGE, BULK, RIVAL = "#cfd4da", "#d1495b", "#1f6fb4", "#6b7280", "#2a9d6f", "#7a3fb0"
NEAR_ZERO = "#8c5a00"
_POINTS = 200  # of a drawn curve
_CONSTANT = 1e-3  # values closer than this are one bar: bins of their own would be thinner than a line


def draw_esd(axes: Any, diagnosis: Diagnosis, *, legend_columns: int = 1) -> None:
    """Draw one diagnosis, its legend below; a panel without positive eigenvalues says so in words."""
    values, weights = positive(diagnosis)
    axes.set_title(title(diagnosis), fontsize=9.5, color=INK, loc="left", y=1.0, parse_math=False)
    if not values.size:
        axes.text(0.5, 0.5, "no positive eigenvalue", ha="center", va="center", transform=axes.transAxes)
        axes.set_xticks([])
        axes.set_yticks([])
        return
    edges, density = log_histogram(values, weights)
    axes.stairs(density, edges, fill=True, color=BARS, label=f"{values.size} eigenvalue{'s' * (values.size != 1)}")
    across, up = limits(edges, density)
    if axes.get_xscale() != "log":  # setting it makes new ticks, also where it is set already
        axes.set(xscale="log", yscale="log")
    axes.set(xlim=across, ylim=up)
    set_scale(axes.xaxis, *across)
    set_scale(axes.yaxis, *up)
    draw_fits(axes, diagnosis, edges, float(weights.sum()))
    add_legend(axes, diagnosis, legend_columns)


def log_histogram(values: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Edges (b+1,) and density (b,) of positive values in b = 12 to 60 logarithmic bins (about sqrt(n))."""
    low, high = float(values.min()), float(values.max())
    if not high > low * (1 + _CONSTANT):
        low, high = low * 0.9, high * 1.1
    edges = np.geomspace(low, high, int(np.clip(math.sqrt(values.size) * 1.5, 12, 60)) + 1)
    edges[0], edges[-1] = low, high
    mass, edges = np.histogram(values, bins=edges, weights=weights)
    return edges, mass / np.diff(edges)


def draw_fits(axes: Any, diagnosis: Diagnosis, edges: Floats, mass: float) -> None:
    """Bulk edge and spikes or outliers, the fitted laws, power laws of the tails. mass: share that the bars hold."""
    _draw_bulk(axes, diagnosis)
    _draw_laws(axes, diagnosis, edges, mass)
    _draw_lowest(axes, diagnosis, edges, mass)
    _draw_outliers(axes, diagnosis)


def positive(diagnosis: Diagnosis) -> tuple[Floats, Floats]:
    """Values above numerical zero with their masses."""
    spectrum = diagnosis.fitted
    largest = float(spectrum.values.max(initial=0.0))
    kept = spectrum.values > numerical_zero(spectrum.dimension, largest)
    return spectrum.values[kept], spectrum.masses[kept]


def limits(edges: Floats, density: Floats) -> tuple[tuple[float, float], tuple[float, float]]:
    """Of both axes, set by the data, so that a law's far tail does not squeeze them."""
    seen = density[density > 0]
    margin = max((edges[-1] / edges[0]) ** 0.04, 1.05)
    return (float(edges[0] / margin), float(edges[-1] * margin)), (float(seen.min() / 3), float(seen.max() * 4))


def _draw_bulk(axes: Any, diagnosis: Diagnosis) -> None:
    bulk = diagnosis.bulk
    if bulk is None or not bulk.status.ok:
        return
    axes.axvline(bulk.upper_edge, color=EDGE, linestyle=":", linewidth=1.3, label="Marchenko-Pastur edge")
    if bulk.n_spikes:
        height = np.full(bulk.n_spikes, axes.get_ylim()[0])
        label = f"{bulk.n_spikes} spike{'s' * (bulk.n_spikes > 1)}"
        axes.plot(bulk.spikes, height, "^", color=TAIL, alpha=0.7, markersize=5, clip_on=False, label=label)


def _draw_laws(axes: Any, diagnosis: Diagnosis, edges: Floats, mass: float) -> None:
    tail, htmp = diagnosis.tail, diagnosis.htmp
    if htmp is not None and htmp.law is not None and htmp.status.code in ("ok", "at_boundary", "noise"):
        stands = htmp.reading.stands
        colour, line = (LAW, "-") if stands else (EDGE, ":")  # a law that does not describe is greyed
        share = law_share(diagnosis.fitted, _alone(htmp.law), htmp.floor, mass)
        _curve(axes, edges[0], edges[-1], lambda x: share * _law_density(htmp, x), colour, line, _htmp_label(htmp))
    _draw_bulk_law(axes, diagnosis, edges, mass)
    _draw_likeliest(axes, diagnosis, edges, mass)
    if math.isfinite(tail.alpha) and tail.n_tail > 0:
        in_tail = mass * tail.n_tail / tail.n
        verdict = "" if tail.verdict.word == "fits" else f", {tail.verdict.label}"
        label = f"power law, alpha {with_error(tail.alpha, tail.alpha_stderr)}{verdict}"
        _curve(axes, tail.xmin, edges[-1], lambda x: in_tail * _pareto(tail.alpha, tail.xmin, x), TAIL, "--", label)


def _draw_bulk_law(axes: Any, diagnosis: Diagnosis, edges: Floats, mass: float) -> None:
    """HTMP of the bulk alone, up to the spike threshold, where there are spikes."""
    bulk, fit = diagnosis.bulk, diagnosis.htmp_bulk
    if bulk is None or fit is None or fit.law is None or not bulk.n_spikes:
        return
    law, top = _alone(fit.law), min(bulk.threshold, float(edges[-1]))
    share = law_share(diagnosis.fitted, law, 0.0, mass) * (1 - bulk.n_spikes / bulk.n) / float(law.cdf(bulk.threshold))
    colour = BULK if fit.reading.stands else EDGE
    _curve(axes, edges[0], top, lambda x: share * law.pdf(x), colour, "-", f"bulk alone, kappa {kappa_words(fit)}")


def _draw_likeliest(axes: Any, diagnosis: Diagnosis, edges: Floats, mass: float) -> None:
    """The likeliest law beside outliers, where that is not the HTMP law drawn already."""
    best = diagnosis.laws.best if diagnosis.laws else None
    htmp = diagnosis.htmp
    if best is None or (htmp is not None and best.name == htmp.family and htmp.reading.stands):
        return
    shapes = "".join(f", {name} {value:.2g}" for name, value in best.parameters.items() if name != "scale")
    label = f"likeliest beside 2 % outliers: {best.label}{shapes}, KS {best.ks_distance:.2f}"
    law = _alone(best.law)
    _curve(axes, edges[0], edges[-1], lambda x: mass * law.pdf(x), RIVAL, "-.", label)


def _draw_lowest(axes: Any, diagnosis: Diagnosis, edges: Floats, mass: float) -> None:
    """The lower tail up to where it ends, and the inverse Gamma law of the lowest fifth."""
    lower, known = diagnosis.lower, diagnosis.numbers
    if lower is not None and lower.exponent > -1 and lower.n_tail > 0:
        end, power = 1 / lower.xmin, lower.exponent + 1
        share = mass * lower.n_tail / lower.n
        verdict = "" if lower.verdict.word == "fits" else f", {lower.verdict.label}"
        label = f"lower tail, a {with_error(lower.exponent, lower.alpha_stderr)}{verdict}"
        _curve(axes, edges[0], end, lambda x: share * power / end * (x / end) ** (power - 1), RIVAL, "--", label)
    height, end = (known.get(f"inverse_gamma_{name}", math.nan) for name in ("height", "end"))
    fit = diagnosis.inverse_gamma
    if fit is not None and fit.law is not None and height > 0:
        law, level = fit.law, height / float(fit.law.pdf(end))
        label = f"inverse Gamma, shape {fit.parameters['shape']:.2g}"
        _curve(axes, edges[0], end, lambda x: level * law.pdf(x), NEAR_ZERO, "-.", label)


def _draw_outliers(axes: Any, diagnosis: Diagnosis) -> None:
    """Those above zero: an axis of logarithms has no others."""
    if not diagnosis.numbers.get("outliers", 0.0) > 0:
        return
    spectrum = diagnosis.spectrum
    known = spectrum.values[are_outliers(spectrum) & (spectrum.values > 0)]
    if known.size:
        height = np.full(known.size, axes.get_ylim()[0])
        label = f"{known.size} outlier{'s' * (known.size > 1)}"
        axes.plot(known, height, "^", color=INK, alpha=0.7, markersize=5, clip_on=False, label=label)


def _curve(
    axes: Any, low: float, high: float, density: Callable[[Floats], Floats], colour: str, line: str, label: str
) -> None:
    x = np.geomspace(low, high, _POINTS)
    axes.plot(x, density(x), line, color=colour, linewidth=1.8, label=label)


def _alone(law: Law) -> Law:
    """A law from its parameters, as one that was read back or came from another process: the same picture to the bit.

    A law that was just fitted keeps the row of a table that it was found with, which is right to 1e-5.
    """
    return copy.copy(law)


def _pareto(alpha: float, xmin: float, x: Floats) -> Floats:
    return np.asarray((alpha - 1) / xmin * (x / xmin) ** -alpha, dtype=np.float64)


def _law_density(fit: LawFit, x: Floats) -> Floats:
    assert fit.law is not None
    return np.where(x > fit.floor, _alone(fit.law).pdf(np.maximum(x - fit.floor, 1e-300)), np.nan)


def _htmp_label(fit: LawFit) -> str:
    name = "inverse HTMP" if "inverse" in fit.family.lower() else "HTMP"
    return f"{name}, kappa {kappa_words(fit)}"
