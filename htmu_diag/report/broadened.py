"""A spectrum as a smooth curve, for display only: fits use nodes and weights.

Every node becomes a Gaussian in u = arcsinh(x / w), which is logarithmic on both sides of zero and linear within w of
it. Gaussians on a linear axis would be as wide as the bulk of a heavy-tailed spectrum.
"""

from __future__ import annotations

import numpy as np

from htmu_diag.errors import InputError
from htmu_diag.spectrum import Floats, Spectrum

__all__ = ["broadened"]


def broadened(
    spectrum: Spectrum, *, points: int = 512, width: float = 0.15, linear: float = 1e-6
) -> tuple[Floats, Floats]:
    """(x, density), (points,) each: the density with respect to u, whose integral over u is the spectrum's mass.

    width: standard deviation of the Gaussians in u, about the relative width in x; 0.15 joins the nodes of 64 steps.
    linear: w over the largest magnitude. Raises InputError for an empty spectrum, fewer than two points or no width.
    """
    if not spectrum.values.size or points < 2 or width <= 0:
        raise InputError(f"{spectrum.source.label()}: needs a value, points >= 2 and width > 0, got {points}, {width}")
    scale = linear * (float(np.abs(spectrum.values).max()) or 1.0)
    nodes = np.arcsinh(spectrum.values / scale)
    grid = np.linspace(nodes[0] - 4 * width, nodes[-1] + 4 * width, points)
    bells = np.exp(-(((grid[:, None] - nodes) / width) ** 2) / 2) / (width * np.sqrt(2 * np.pi))
    return scale * np.sinh(grid), bells @ spectrum.masses
