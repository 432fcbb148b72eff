"""The equation of ``riccati`` for many laws at once, each with panels of its own, in step.

Of one panel the arithmetic is small beside the calls that do it. So all laws, and the two directions of each, try their
next panel together: one stack of systems for each step of Newton's method, from which those that have converged leave.
Small systems are cheap in a stack, so panels are of a lower degree than those of one law; and less strict: w is right
to 1e-11, where the rows that are made of it are interpolated to 1e-5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from htmu_diag.errors import HTMUError
from htmu_diag.laws.chebyshev import collocation
from htmu_diag.laws.riccati import Panels, starting_point
from htmu_diag.spectrum import Floats

__all__ = ["solve_all"]

Complexes = npt.NDArray[np.complex128]
Numbers = npt.NDArray[np.inexact]
Indices = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

_RULE = collocation(16)  # the fastest of degrees 12, 14, 16, 20 and 24
_DERIVATIVE, _DIAGONAL = _RULE.differentiation[1:, 1:].astype(np.complex128), np.arange(_RULE.degree)
_TOLERANCE = 3e-11  # relative size of the last three Chebyshev coefficients of an accepted panel
_ROUNDING = 1e-3  # last coefficients this far below the tolerance are rounding errors and say nothing
_CLOSE = 1e-6  # a relative change in Newton's method after which the next is below the tolerance
_SAFETY, _RETRY, _SHRINK, _GROWTH = 0.9, 0.8, 0.3, 2.5  # of a panel's length, as for one law
_SMALLEST = 1e-9  # a panel shorter than this means that the equation is not the one above
_NEWTON_STEPS = 12


@dataclass(frozen=True)
class _Laws:
    """(n,) parameters of the associated Laguerre laws."""

    a: Floats
    c: Floats

    def __getitem__(self, which: Indices) -> _Laws:
        return _Laws(self.a[which], self.c[which])


@dataclass(frozen=True)
class _Found:
    """Accepted panels, in any order. law: (p,) index; start, length: (p,) in t, signed; w: (p, degree + 1)."""

    law: Indices
    start: Numbers
    length: Numbers
    w: Complexes


def solve_all(a: Floats, c: Floats, x_low: Floats, x_high: Floats) -> list[Panels]:
    """w of every associated Laguerre law (a >= -1, c > 0), (n,) each, on its [x_low, x_high].

    Raises HTMUError where there is no convergence.
    """
    laws, width = _Laws(a, c), np.sqrt(c / (a + c + 1.0))
    t0, angle, above = (np.array(each) for each in zip(*map(starting_point, a.tolist(), c.tolist()), strict=True))
    down = np.full(a.size, -1j)
    w0, _ = _march(laws, t0 + 1j * angle, above, down, angle, 2.0 * width)
    both = np.tile(np.arange(a.size), 2)
    ways = np.repeat([-1.0, 1.0], a.size)
    lengths = np.concatenate([t0 - np.log(x_low), np.log(x_high) - t0])
    _, found = _march(laws[both], t0[both], w0[both], ways, lengths, width[both])
    return [_panels(found, found.law % a.size == k) for k in range(a.size)]


def _panels(found: _Found, own: Mask) -> Panels:
    """Of one law, from left to right."""
    start, length = found.start[own].real, found.length[own].real
    leftward = length < 0
    left, w = np.where(leftward, start + length, start), found.w[own]
    w[leftward] = w[leftward, ::-1]
    order = np.argsort(left)
    end = float((left + np.abs(length))[order[-1]])
    return Panels(np.append(left[order], end), w[order], int(leftward.sum()))


def _march(
    laws: _Laws, start: Numbers, w0: Complexes, direction: Numbers, length: Floats, h: Floats
) -> tuple[Complexes, _Found]:
    """w at the ends, and the panels on the way. h: the first lengths to try."""
    todo, done, w0, h, found = np.arange(length.size), np.zeros(length.size), w0.copy(), h.copy(), []
    while todo.size:
        rest = length[todo] - done[todo]
        tried = np.where(1.2 * h[todo] > rest, rest, h[todo])
        at = start[todo] + direction[todo] * done[todo]
        w, excess = _try(laws[todo], at, w0[todo], direction[todo] * tried)
        good = excess <= 1.0
        moved = todo[good]
        found.append(_Found(moved, at[good], direction[moved] * tried[good], w[good]))
        done[moved] += tried[good]
        w0[moved] = w[good, -1]
        h[todo] = tried * _factor(excess)
        _require_progress(laws[todo], at, h[todo])
        todo = todo[length[todo] - done[todo] > 1e-13 * np.maximum(1.0, np.abs(start[todo]))]
    parts = ([getattr(each, name) for each in found] for name in ("law", "start", "length", "w"))
    return w0, _Found(*(np.concatenate(part) for part in parts))


def _require_progress(laws: _Laws, at: Numbers, h: Floats) -> None:
    if (h < _SMALLEST).any():
        k = int(np.argmin(h))
        raise HTMUError(
            f"HTMP: no convergence at log x = {at[k]:.6g} (a={laws.a[k]}, c={laws.c[k]}); report these parameters"
        )


def _try(laws: _Laws, start: Numbers, w0: Complexes, h: Numbers) -> tuple[Complexes, Floats]:
    """w at the nodes of start + h*[0, 1], (n, degree + 1), and the size of its last coefficients over the tolerance."""
    w = _collocated(laws, start, w0, h)
    size = np.abs(w @ _RULE.to_coefficients.T)
    # 1 + a - x loses digits like 1/sqrt(gamma), gamma = c/(a+c+1); the tolerance gives way below gamma = 0.01
    tolerance = _TOLERANCE * np.maximum(1.0, 0.1 * np.sqrt((laws.a + laws.c + 1.0) / laws.c))
    excess = size[:, -3:].max(axis=1) / (tolerance * size.max(axis=1))
    return w, np.where(np.isfinite(excess), excess, np.inf)


def _collocated(laws: _Laws, start: Numbers, w0: Complexes, h: Numbers) -> Complexes:
    """w at the nodes, by Newton's method from a constant; NaN where that does not converge."""
    out = np.full((h.size, _RULE.degree + 1), np.nan, dtype=np.complex128)
    systems, w = _Systems.of(laws, start, w0, h), np.repeat(w0[:, None], _RULE.degree, axis=1)
    going, last = np.arange(h.size), np.full(h.size, np.inf)
    for step in range(_NEWTON_STEPS):
        new = systems.next(w)
        change, size = np.abs(new - w).max(axis=1), np.abs(new).max(axis=1)
        near = change <= (_CLOSE if step else 1e-14) * size
        out[going[near], 0], out[going[near], 1:] = w0[going[near]], new[near]
        more = ~near & (change < np.inf) & ~((step > 4) & (change > last))
        if not more.any():
            break
        systems, going, w, last = systems[more], going[more], new[more], change[more]
    return out


@dataclass(frozen=True)
class _Systems:
    """The equation at the nodes of each panel but the first, (n, degree), in z of [-1, 1]:
    dw/dz = growth w + x + c w**2, and what the first node adds to dw/dz.
    """

    growth: Numbers
    x: Numbers
    c: Numbers  # (n, 1)
    from_start: Complexes

    @classmethod
    def of(cls, laws: _Laws, start: Numbers, w0: Complexes, h: Numbers) -> _Systems:
        half = 0.5 * h[:, None]
        x = half * np.exp(start[:, None] + half * (_RULE.nodes[1:] + 1.0))
        growth = half * (1.0 + laws.a[:, None]) - x
        return cls(growth, x, half * laws.c[:, None], _RULE.differentiation[1:, 0] * w0[:, None])

    def __getitem__(self, which: Mask) -> _Systems:
        return _Systems(self.growth[which], self.x[which], self.c[which], self.from_start[which])

    def next(self, w: Complexes) -> Complexes:
        """Newton's method, one step."""
        jacobian = np.tile(_DERIVATIVE, (w.shape[0], 1, 1))
        cw = self.c * w
        jacobian[:, _DIAGONAL, _DIAGONAL] -= self.growth + 2.0 * cw
        right = self.x - cw * w - self.from_start
        return np.asarray(np.linalg.solve(jacobian, right[:, :, None])[:, :, 0])


def _factor(excess: Floats) -> Floats:
    """Next length over this one; the last coefficients grow like length**degree above their rounding errors."""
    wanted = _SAFETY * np.maximum(excess, 1e-300) ** (-1.0 / _RULE.degree)
    wanted = np.where(excess <= 1.0, wanted, np.minimum(wanted, _RETRY))
    return np.asarray(np.where(excess < _ROUNDING, _GROWTH, np.maximum(wanted, _SHRINK)))
