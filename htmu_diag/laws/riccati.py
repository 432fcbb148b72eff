"""The resolvent of the associated Laguerre law on the real axis, from its Riccati equation.

Let f be the law with Jacobi matrix B B^T (B lower bidiagonal, diagonal sqrt(a+c+k), subdiagonal sqrt(c+k), k = 1, 2,
...) and w(x) = x * <e_1, (x + i0 - B B^T)^-1 e_1>, so that Im w = -pi x f(x). With t = log x the confluent equation
of U(c, -a, -x) becomes

    dw/dt = (1 + a - x) w + x + c w**2,        d log(x f)/dt = 1 + a - x + 2 c Re w.

Linearised, an error in w is multiplied by x f(x) / (x0 f(x0)) on the way from x0 to x: started near the maximum of x
f(x), integration is stable outward both ways. w is free of the oscillations of U, so it is a short piecewise
polynomial in t: every panel is solved by Chebyshev collocation (stiffly accurate, hence unhurt by the term -x w in
the far tail) and Newton's method, its length chosen so that the last coefficients vanish. The start comes
from complex x0 exp(i phi), where the continued fraction of the resolvent converges geometrically, and is carried down
to the real axis by the same panels in i t. Nothing here subtracts gamma functions, so integer a, a = -1 and c -> 0
are ordinary.
"""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy

from htmu_diag.errors import HTMUError
from htmu_diag.laws.chebyshev import DEGREE, DIFFERENTIATION, NODES, TO_COEFFICIENTS, Collocation, collocation
from htmu_diag.spectrum import Floats

__all__ = ["Panels", "solve", "starting_point"]

Complexes = npt.NDArray[np.complex128]

_TOLERANCE = 1e-13  # relative size of the last three Chebyshev coefficients of an accepted panel
_ROUNDING = 0.03  # last coefficients this far below the tolerance are rounding errors and say nothing
_RETRY = 0.8  # a refused panel shrinks at least by this
_SAFETY, _SHRINK, _GROWTH = 0.9, 0.3, 2.5  # the fastest of five such triples
_SMALLEST = 1e-9  # a panel shorter than this means that the equation is not the one above
_NEWTON_STEPS = 12


_INNER = np.asfortranarray(DIFFERENTIATION[1:, 1:], dtype=np.complex128)
_FROM_START = DIFFERENTIATION[1:, 0]
_DIAGONAL = np.arange(DEGREE)


@dataclass(frozen=True)
class Panels:
    """w on consecutive panels in t = log x, from left to right.

    edges: (panels + 1,) ends in t.
    w: (panels, degree + 1) values at the Chebyshev nodes of each panel, left to right.
    middle: index into edges of the starting point, near the maximum of x f(x).
    """

    edges: Floats
    w: Complexes
    middle: int

    @property
    def rule(self) -> Collocation:
        """Of the panels' degree."""
        return collocation(self.w.shape[1] - 1)


def solve(a: float, c: float, x_low: float, x_high: float) -> Panels:
    """w on [x_low, x_high] for the associated Laguerre law (a >= -1, c > 0)."""
    equation, width = _Equation(a, c), math.sqrt(c / (a + c + 1.0))
    t0, angle, w0 = starting_point(a, c)
    w0 = equation.march(t0 + 1j * angle, w0, -1j, angle, 2.0 * width)[-1][1][-1]
    left = equation.march(t0, w0, -1.0, t0 - math.log(x_low), width)
    right = equation.march(t0, w0, 1.0, math.log(x_high) - t0, width)
    edges = [*(t for t, _ in reversed(left)), t0, *(t for t, _ in right)]
    values = [*(w[::-1] for _, w in reversed(left)), *(w for _, w in right)]
    return Panels(np.array([complex(t).real for t in edges]), np.array(values), len(left))


def starting_point(a: float, c: float) -> tuple[float, float, complex]:
    """t0, an angle, and w at exp(t0 + i angle), where integration starts."""
    x0 = max(a + 1.0 + 2.0 * c, 1.0)  # centre of the Marchenko-Pastur bulk; x f is flat below 1 where that is smaller
    angle = 1.2 if c < 10.0 else 0.5
    return math.log(x0), angle, _Equation(a, c).continued_fraction(x0 * cmath.exp(1j * angle))


@dataclass(frozen=True)
class _Equation:
    a: float
    c: float

    def continued_fraction(self, x: complex) -> complex:
        """w at complex x by as many levels as 1e-17 takes: the error falls like exp(-4 Im sqrt(x (c + levels)))."""
        a, c = self.a, self.c
        levels = math.ceil((math.sqrt(c) + 10.0 / cmath.sqrt(x).imag) ** 2 - c) + 10
        t = 0j
        for k in range(levels, 1, -1):
            t = 1.0 / (x - (a + 2.0 * (c + k) - 1.0) - (c + k) * (a + c + k) * t)
        return x / (x - (a + c + 1.0) - (c + 1.0) * (a + c + 1.0) * t)

    def march(
        self, start: complex, w0: complex, direction: complex, length: float, h: float
    ) -> list[tuple[complex, Complexes]]:
        """Panels from start along direction: (end, values at the nodes) for each, h the first length to try."""
        done, panels = 0.0, []
        while length - done > 1e-13 * max(1.0, abs(start)):
            h = length - done if 1.2 * h > length - done else h
            w, excess = self.panel(start + direction * done, w0, direction * h)
            if excess <= 1.0:
                done, w0 = done + h, w[-1]
                panels.append((start + direction * done, w))
            elif h < _SMALLEST:
                raise HTMUError(
                    f"HTMP: no convergence at log x = {start + direction * done:.6g} (a={self.a}, c={self.c}); "
                    "report these parameters"
                )
            h *= _factor(excess)
        return panels

    def panel(self, start: complex, w0: complex, h: complex) -> tuple[Complexes, float]:
        """w at the nodes of start + h*[0, 1], and the size of its last coefficients over the tolerance."""
        x = np.exp(start + 0.5 * h * (NODES[1:] + 1.0))
        growth = 1.0 + self.a - x
        derivative, from_start = _INNER * (2.0 / h), _FROM_START * (2.0 / h * w0)
        w: Complexes = np.full(DEGREE, w0, dtype=np.complex128)
        last = math.inf
        for step in range(_NEWTON_STEPS):
            jacobian = derivative.copy(order="F")
            jacobian[_DIAGONAL, _DIAGONAL] -= growth + 2.0 * self.c * w
            right = x - self.c * w * w - from_start
            new: Complexes = scipy.linalg.lapack.zgesv(jacobian, right, overwrite_a=1, overwrite_b=1)[2]
            change, size = float(np.abs(new - w).max()), float(np.abs(new).max())
            w = new
            if change <= (1e-7 if step else 1e-14) * size:  # the next step would be quadratically smaller
                return self._with_excess(np.concatenate([[w0], w]))
            if not change < math.inf or (step > 4 and change > last):
                break
            last = change
        return w, math.inf

    def _with_excess(self, w: Complexes) -> tuple[Complexes, float]:
        """1 + a - x loses digits like 1/sqrt(gamma), gamma = c/(a+c+1); the tolerance gives way below gamma = 0.01."""
        size = np.abs(TO_COEFFICIENTS @ w)
        tolerance = _TOLERANCE * max(1.0, 0.1 * math.sqrt((self.a + self.c + 1.0) / self.c))
        return w, float(size[-3:].max() / (tolerance * size.max()))


def _factor(excess: float) -> float:
    """Next length over this one; the last coefficients grow like length**DEGREE above their rounding errors."""
    if excess < _ROUNDING:
        return _GROWTH
    wanted = _SAFETY * math.pow(excess, -1.0 / DEGREE)
    return max(_SHRINK, wanted if excess <= 1.0 else min(wanted, _RETRY))
