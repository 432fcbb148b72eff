"""The unit HTMP law at the nodes of its panels: log g from w, and the ratios L and R that give its tails.

What they are and solve: `htmp_table`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from htmu_diag.laws.chebyshev import collocation
from htmu_diag.spectrum import Floats

if TYPE_CHECKING:
    from htmu_diag.laws.riccati import Panels

__all__ = ["log_density", "ratios"]

_IN_BULK = 0.05  # |Im w| / max |w| on a whole panel: there Im w is read off directly


def log_density(a: float, c: float, panels: Panels) -> tuple[Floats, Floats, Floats]:
    """log g at the edges, the polynomial part of log g at the nodes, and where the closed part is split off."""
    w, width = panels.w, np.diff(panels.edges)
    direct = -w.imag.max(axis=1) > _IN_BULK * np.abs(w).max(axis=1)
    direct[panels.middle - 1 : panels.middle + 1] = True
    first, last = int(np.argmax(direct)), len(direct) - 1 - int(np.argmax(direct[::-1]))
    direct[first : last + 1] = True
    polynomial = np.empty(w.shape)
    polynomial[direct] = np.log(-w.imag[direct] / np.pi)
    rise = c * width[:, None] * (w.real @ panels.rule.integration.T)  # integral of 2 c Re w from the left edge
    growth = (1.0 + a) * width - np.exp(panels.edges[:-1]) * np.expm1(width)
    log_g = np.empty(len(width) + 1)
    log_g[first : last + 1], log_g[last + 1] = polynomial[first : last + 1, 0], polynomial[last, -1]
    steps = rise[:, -1] + growth
    log_g[last + 2 :] = log_g[last + 1] + np.cumsum(steps[last + 1 :])
    log_g[:first] = log_g[first] - np.cumsum(steps[:first][::-1])[::-1]
    polynomial[~direct] = (log_g[:-1, None] + rise)[~direct]
    return log_g, polynomial, np.where(direct, 0.0, 1.0)


def ratios(a: float, c: float, panels: Panels, g_low: float) -> Floats:
    """L on the panels left of the middle, R on the others, at the nodes."""
    width = np.diff(panels.edges)
    t = panels.edges[:-1, None] + 0.5 * width[:, None] * (panels.rule.nodes + 1.0)
    slope = 1.0 + a - np.exp(t) + 2.0 * c * panels.w.real
    ratio = np.empty(t.shape)
    k = panels.middle
    phase, size = math.pi * c * g_low, 1.0 + a + c * float(panels.w[0, 0].real)
    start = math.atan2(phase, size) / phase if phase > 1e-8 * size else 1.0 / size
    ratio[:k] = _chain(slope[:k], width[:k], start)
    # seen from the right end, R' = -1 - R (log g)' is L' = 1 - L (log g)' again, with time reversed
    ratio[k:] = _chain(-slope[k:][::-1, ::-1], width[k:][::-1], -1.0 / slope[-1, -1])[::-1, ::-1]
    return ratio


def _chain(slope: Floats, width: Floats, start: float) -> Floats:
    """L' = 1 - slope L by collocation on every panel at once, then chained through the panels' ends."""
    rule = collocation(slope.shape[1] - 1)
    system = rule.differentiation[1:, 1:] * (2.0 / width)[:, None, None]
    diagonal = np.arange(rule.degree)
    system[:, diagonal, diagonal] += slope[:, 1:]
    right = np.stack(
        [np.ones((len(width), rule.degree)), -rule.differentiation[1:, 0] * (2.0 / width)[:, None]],
        axis=-1,
    )
    answer = np.linalg.solve(system, right)
    starts = [start]
    for own, carried in answer[:-1, -1].tolist():
        starts.append(own + starts[-1] * carried)
    first = np.array(starts)[:, None]
    return np.concatenate([first, answer[:, :, 0] + first * answer[:, :, 1]], axis=1)
