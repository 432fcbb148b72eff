"""Slow, exact routes to the HTMP law in arbitrary precision, none of them the one that the package uses.

``by_tricomi``: the closed formula with Kummer's connection of U(c, -a, y e**(-i pi)) to two 1F1 series, the digits
raised until two precisions agree. ``by_continued_fraction``: the resolvent's continued fraction at real y, ended far
out by its own fixed point, which is corrected by differences along the levels; for large kappa, where the series need
10**4 digits. ``by_asymptotic_series``: U(c, -a, z) ~ z**-c 2F0(c, c + a + 1; -1/z) far above the mean, where z = -y
makes all terms positive and the imaginary part is exponentially small. ``phase``: the distribution function.

    python tests/oracles/htmp_exact.py GAMMA KAPPA X [X ...]      prints gamma,kappa,x,logpdf rows as in htmp_logpdf.csv
"""

import sys

import mpmath
from mpmath import mpf

_LIMITS = {"maxterms": 10**7, "maxprec": 10**7}


def by_tricomi(gamma: float, kappa: float, x: float) -> mpf:
    """log f(x) at mean 1, to 20 digits."""
    digits, last = 60, None
    while True:
        with mpmath.workdps(digits):
            value = _tricomi(mpf(gamma), mpf(kappa), mpf(x), digits)
        if last is not None and abs(value - last) <= mpf(10) ** -20 * max(1, abs(value)):
            return value
        digits, last = 2 * digits, value


def _tricomi(gamma: mpf, kappa: mpf, x: mpf, digits: int) -> mpf:
    c = kappa / 2
    a = c * (1 / gamma - 1) - 1
    if a == mpmath.floor(a):
        a += mpf(10) ** (-digits // 3)  # integer a: the limit of the connection formula
    y = x * c / gamma
    return _log_norm(gamma, a, c) + a * mpmath.log(y) - y - 2 * mpmath.log(abs(_u(a, c, y)))


def _u(a: mpf, c: mpf, y: mpf) -> mpmath.mpc:
    """U(c, -a, y exp(-i pi))."""
    first = mpmath.gammaprod([1 + a], [c + a + 1]) * mpmath.hyp1f1(c, -a, -y, **_LIMITS)
    second = mpmath.gammaprod([-a - 1], [c]) * y ** (1 + a) * mpmath.hyp1f1(c + a + 1, 2 + a, -y, **_LIMITS)
    return first + second * mpmath.expjpi(-(1 + a))


def _log_norm(gamma: mpf, a: mpf, c: mpf) -> mpf:
    return mpmath.log(c / gamma) - mpmath.loggamma(c + 1) - mpmath.loggamma(a + c + 1)


def phase(gamma: float, kappa: float, x: float, *, digits: int = 60) -> float:
    """|arg U|/(pi c) at mean 1: F(x) up to a sign and a multiple of 2/c, since the argument is known modulo 2 pi."""
    with mpmath.workdps(digits):
        c = mpf(kappa) / 2
        a = c * (1 / mpf(gamma) - 1) - 1
        if a == mpmath.floor(a):
            a += mpf(10) ** (-digits // 3)
        return float(mpmath.arg(_u(a, c, mpf(x) * c / mpf(gamma))) / (mpmath.pi * c))


def by_asymptotic_series(gamma: float, kappa: float, x: float) -> mpf:
    """log f(x) at mean 1, for x well above the upper edge and y beyond 100."""
    with mpmath.workdps(40):
        c = mpf(kappa) / 2
        a = c * (1 / mpf(gamma) - 1) - 1
        y = mpf(x) * c / mpf(gamma)
        term = total = mpf(1)
        n = 0
        while n < y / 2 and (n < 10 or term > total * mpf(10) ** -25):
            term *= (c + n) * (c + a + 1 + n) / ((n + 1) * y)
            total += term
            n += 1
        log_u = mpmath.log(total) - c * mpmath.log(y)
        return _log_norm(mpf(gamma), a, c) + a * mpmath.log(y) - y - 2 * log_u


def by_continued_fraction(gamma: float, kappa: float, x: float, *, digits: int = 200, order: int = 14) -> mpf:
    """log f(x) at mean 1; to 20 digits for kappa >= 100 between a tenth and twice the edges."""
    with mpmath.workdps(digits):
        c = mpf(kappa) / 2
        a = c * (1 / mpf(gamma) - 1) - 1
        y = mpf(x) * c / mpf(gamma)
        levels = int(max(0, (y - a) ** 2 / (4 * y) - c) * 2 + c) + 400
        t = _terminator(a, c, y, levels + 1, order)
        for k in range(levels, 0, -1):
            diagonal = a + c + k + (c + k - 1 if k > 1 else 0)
            t = 1 / (y - diagonal - (c + k) * (a + c + k) * t)
        return mpmath.log(c / mpf(gamma)) + mpmath.log(abs(t.imag) / mpmath.pi)


def _terminator(a: mpf, c: mpf, y: mpf, level: int, order: int) -> mpmath.mpc:
    """t_level from t_k = 1/(y - J_k - A_k**2 (t_k + difference to t_(k+1))), the differences updated order times."""
    levels = [c + level + i for i in range(order + 1)]
    t = [_fixed_point(y - (a + 2 * k - 1), k * (a + k)) for k in levels]
    for _ in range(order):
        shifts = [k * (a + k) * (t[i + 1] - t[i]) for i, k in enumerate(levels[: len(t) - 1])]
        t = [_fixed_point(y - s - (a + 2 * k - 1), k * (a + k)) for s, k in zip(shifts, levels, strict=False)]
    return t[0]


def _fixed_point(d: mpmath.mpc, square: mpf) -> mpmath.mpc:
    root = mpmath.sqrt(d * d - 4 * square)
    return min((d - root) / (2 * square), (d + root) / (2 * square), key=lambda t: t.imag)


if __name__ == "__main__":
    gamma, kappa, *points = (float(argument) for argument in sys.argv[1:])
    for point in points:
        print(f"{gamma},{kappa},{point},{mpmath.nstr(by_tricomi(gamma, kappa, point), 25)}")
