"""python -m tests.gallery: the pictures of the ideas and of the phases. `test_gallery` sees that they are these.

Each function draws one picture from fixed seeds. A picture carries a summary of what is drawn (`drawn`), so that it
can be told from another one by its data. The ideas are docs/gallery/*.png, the phases docs/phase_*.png.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from htmu_diag.analysis import diagnose
from htmu_diag.fits import fit_power_law
from htmu_diag.laws import HTMP, MarchenkoPastur
from htmu_diag.laws.ensembles import beta_laguerre, spiked, wishart
from htmu_diag.report import esd_figure
from htmu_diag.spectrum import Kind, Source, Spectrum
from htmu_diag.theory import Phase
from tests.power.phases.kinds import DESIGN, eigenvalues

FOLDER = Path(__file__).parents[1] / "docs" / "gallery"
KEY = "htmu:drawn"
GREY, BLUE, RED, GREEN = "0.72", "#2166ac", "#b2182b", "#1b7837"


def esd() -> Figure:
    """Noise, and the same with five directions written into it."""
    figure, axes = _panels(2)
    rng = np.random.default_rng(0)
    law = MarchenkoPastur(0.5)
    for ax, values, title in (
        (axes[0], wishart(200, 400, rng=rng), "independent entries"),
        (axes[1], spiked(200, 400, [2.5, 3.0, 3.5, 4.0, 5.0], rng=rng), "five directions written in"),
    ):
        _histogram(ax, values, np.linspace(0, 7.5, 50), law)
        ax.plot(values, np.full(len(values), -0.03), "|", color="black", markersize=5, markeredgewidth=0.4)
        ax.set(title=title, xlabel="eigenvalue", ylim=(-0.07, 0.95))
    axes[0].set_ylabel("density")
    return figure


def noise() -> Figure:
    """Noise of three shapes, each with its own law."""
    figure, axes = _panels(3)
    for ax, (rows, columns) in zip(axes, ((100, 1000), (300, 600), (400, 400)), strict=True):
        values = wishart(rows, columns, rng=np.random.default_rng(rows))
        _histogram(ax, values, np.linspace(0, 4.2, 43), MarchenkoPastur(rows / columns))
        ax.set(title=f"{rows} x {columns}", xlabel="eigenvalue", ylim=(0, 1.6))
    axes[0].set_ylabel("density")
    return figure


def alpha() -> Figure:
    """The tails of noise and of weak repulsion on logarithmic axes, with what the same estimator says of both."""
    figure, axes = _panels(1)
    rng = np.random.default_rng(1)
    heavy = beta_laguerre(600, 0.5, 1.0, rng=rng)
    pareto = np.sort(rng.pareto(1.5, 600) + 1)
    for values, colour, name in (
        (wishart(600, 1200, rng=rng), GREEN, "noise"),
        (heavy, BLUE, "HTMP, kappa 1"),
        (pareto / np.median(pareto), RED, "power law"),
    ):
        fit = fit_power_law(values)
        share = np.arange(len(values), 0, -1) / len(values)
        axes[0].loglog(values, share, color=colour, label=f"{name}: alpha {fit.alpha:.1f}")
    axes[0].set(xlabel="x", ylabel="share of eigenvalues above x", xlim=(0.05, 100))
    axes[0].legend(frameon=False)
    return figure


def repulsion() -> Figure:
    """The middle thirty of 400 values, and the distribution of gap ratios, at three strengths of repulsion."""
    figure, axes = _panels(2)
    size, bins = 400, np.linspace(0, 1, 21)
    for row, (kappa, name, colour) in enumerate(
        ((float(size), "noise", GREEN), (size / 10, "a tenth of it", BLUE), (0.0, "none", RED))
    ):
        rng = np.random.default_rng(row)
        draws = [
            np.sort(rng.random(size)) if kappa == 0 else beta_laguerre(size, 0.5, kappa, rng=rng) for _ in range(12)
        ]
        ratios = np.concatenate([_ratios(values[100:300]) for values in draws])
        middle = draws[0][185:215]
        place = (middle - middle[0]) / (middle[-1] - middle[0])
        axes[0].plot(place, np.full(len(place), -row), "|", color=colour, markersize=22, markeredgewidth=1.2)
        counts, _ = np.histogram(ratios, bins, density=True)
        axes[1].stairs(counts, bins, color=colour, label=f"{name}: mean {ratios.mean():.2f}")
    axes[0].set(yticks=[0, -1, -2], yticklabels=["noise", "a tenth", "none"], ylim=(-2.6, 0.6), xticks=[])
    axes[1].set(xlabel="gap ratio", ylabel="density")
    axes[1].legend(frameon=False)
    return figure


def kappa() -> Figure:
    """The density of HTMP from nearly noise to a heavy tail."""
    figure, axes = _panels(1)
    x = np.geomspace(0.02, 40, 300)
    for value, colour in ((100.0, GREEN), (10.0, "#5aae61"), (2.0, BLUE), (0.5, RED)):
        axes[0].loglog(x, HTMP(0.5, value).pdf(x), color=colour, label=f"kappa {value:g}")
    axes[0].set(xlabel="eigenvalue", ylabel="density", ylim=(1e-5, 5))
    axes[0].legend(frameon=False)
    return figure


def phase(made_as: str) -> Figure:
    """One matrix of a kind whose phase is known, with its fits and its verdict, as the report draws them."""
    kind = next(kind for kind in DESIGN if kind.name == made_as)
    shape = (256, 512)
    values = eigenvalues(kind, shape, seed=1000)
    return esd_figure(diagnose(Spectrum.exact(values, Source(Kind.WEIGHTS, kind.name, shape))))


GALLERY: dict[str, Callable[[], Figure]] = {one.__name__: one for one in (esd, noise, alpha, repulsion, kappa)}
PICTURED = {
    Phase.RANDOM_LIKE: "gaussian",
    Phase.BLEEDING_OUT: "three directions, 1.8 to 2.3",
    Phase.BULK_AND_SPIKES: "nine directions, 3 to 20",
    Phase.BULK_DECAY: "lognormal population, 0.5",
    Phase.HEAVY_TAILED: "Pareto population, 2",
    Phase.RANK_COLLAPSE: "rank 0.7, noise 1e-4",
}
PHASES: dict[str, Callable[[], Figure]] = {
    f"phase_{one.value.replace('+', '_and_').replace('-', '_')}": partial(phase, made_as)
    for one, made_as in PICTURED.items()
}


def drawn(figure: Figure) -> list[list[float]]:
    """What a picture shows, one row a line or histogram: how many points, and mean and spread of x and of y."""
    rows: list[list[float]] = []
    for ax in figure.axes:
        lines = [np.asarray(line.get_xydata(), float).T for line in ax.get_lines()]
        areas = [np.asarray(patch.get_path().vertices, float).T for patch in ax.patches]
        rows += [_summary(*points) for points in (*lines, *areas)]
    return rows


def write(pictures: dict[str, Callable[[], Figure]], folder: Path, dpi: int) -> None:
    folder.mkdir(exist_ok=True)
    for name, draw in pictures.items():
        figure = draw()
        figure.savefig(folder / f"{name}.png", dpi=dpi, metadata={KEY: json.dumps(drawn(figure)), "Software": None})


def write_phases() -> None:
    write(PHASES, FOLDER.parent, dpi=100)


def _panels(count: int) -> tuple[Figure, list[Any]]:
    figure = Figure(figsize=(3.6 * count if count > 1 else 5.4, 3.1), layout="constrained")
    return figure, list(np.atleast_1d(figure.subplots(1, count)))


def _histogram(ax: Any, values: Any, bins: Any, law: MarchenkoPastur) -> None:
    counts, _ = np.histogram(values, bins)
    ax.stairs(counts / len(values) / np.diff(bins), bins, fill=True, color=GREY)
    x = np.linspace(*law.support(), 400)[1:]
    ax.plot(x, law.pdf(x), color=GREEN)


def _ratios(values: Any) -> Any:
    gaps = np.diff(values)
    return np.minimum(gaps[1:], gaps[:-1]) / np.maximum(gaps[1:], gaps[:-1])


def _summary(x: Any, y: Any) -> list[float]:
    kept = np.isfinite(x) & np.isfinite(y)
    if not kept.any():  # an entry of the legend
        return [0.0] * 5
    numbers = (kept.sum(), x[kept].mean(), x[kept].std(), y[kept].mean(), y[kept].std())
    return [float(f"{number:.6g}") for number in numbers]


if __name__ == "__main__":
    write(GALLERY, FOLDER, dpi=110)
    write_phases()
