"""The inverse Gamma law on the lowest part of a spectrum, where inverse HTMP turns into it.

Below the threshold t (the next value above the part that is fitted) the values follow the law cut at t: density
proportional to x**(-shape - 1) exp(-scale/x) on (0, t). In y = t/x >= 1 that is a Gamma law cut from below, with
b = scale/t an exponential family of normaliser b**-shape Gamma(shape, b), so its likelihood is concave. The whole
spectrum (fraction = 1) has no threshold and the plain Gamma law of 1/x.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from htmu_diag.arguments import GENERATOR, checked, optional, real, whole
from htmu_diag.fits.checked_sample import MIN_DISTINCT, MIN_VALUES, checked_sample
from htmu_diag.fits.gamma_cut import draws, levels_about, survival
from htmu_diag.fits.gamma_maxima import law_at, maxima
from htmu_diag.fits.intervals import log_interval
from htmu_diag.fits.maximum import Maximum, maximise
from htmu_diag.fits.results import LawFit, Status
from htmu_diag.laws import InverseGamma
from htmu_diag.spectrum import Floats

__all__ = ["fit_inverse_gamma", "fit_inverse_gammas"]

_SEED = 20250603
_FRACTION = 0.2
_WIDEST = 650.0  # of log(largest/smallest): 280 orders of magnitude
_EDGE = 1e-3  # of the box, in these logarithms
_BOUNDS = (-6.0, 9.0)  # of log shape and log b: beyond, the law cannot be told from a power or a point
_CLOSE = 1e-9  # distances of replicates as near to that of the data are computed exactly
_LEAST, _MOST = (float(x) for x in np.exp(_BOUNDS))


@checked(fraction=real(0, 1, above=True), bootstrap=whole(0, 10**6), rng=optional(GENERATOR))
def fit_inverse_gamma(
    values: npt.ArrayLike,
    fraction: float = _FRACTION,
    *,
    bootstrap: int = 0,
    rng: np.random.Generator | None = None,
) -> LawFit:
    """Fit shape and scale to the lowest ``fraction`` of positive values (n,), by conditional maximum likelihood.

    fraction: in (0, 1]; a fifth by default, our choice: the largest part over which kernels of small networks stay
    inverse Gamma. bootstrap: refitted samples of the fitted law behind the p-value of the KS distance; rng draws them
    (a fixed seed by default). It is that of independent values: eigenvalues repel each other and scatter less, so it
    hardly can reject theirs. ``LawFit.n`` counts the values of the fitted part.
    """
    part = _lowest(values, fraction)
    if isinstance(part, LawFit):
        return part
    (fit,) = _fits([part])
    if bootstrap <= 0 or not fit.status.ok:
        return fit
    return replace(fit, p_value=_p_value(part, fit, bootstrap, rng or np.random.default_rng(_SEED)))


def fit_inverse_gammas(samples: Sequence[npt.ArrayLike]) -> list[LawFit]:
    """`fit_inverse_gamma` of the lowest fifth of each, with the same bits whatever the others are."""
    parts = [_lowest(values, _FRACTION) for values in samples]
    found = iter(_fits([part for part in parts if isinstance(part, _Part)]))
    return [part if isinstance(part, LawFit) else next(found) for part in parts]


@dataclass(frozen=True)
class _Part:
    """y = unit/x ascending, (n,); cut: whether y < 1 is excluded; the means of log y and of y."""

    y: Floats
    cut: bool
    unit: float
    mean_log: float
    mean: float

    @property
    def size(self) -> int:
        return self.y.size

    def log_likelihood(self, shape: float, b: float) -> float:
        mass = float(law_at(np.array([shape]), np.array([b]), self.cut)[0, 0])
        return self.size * ((shape - 1) * self.mean_log - b * self.mean - mass)


def _lowest(values: npt.ArrayLike, fraction: float) -> _Part | LawFit:
    """The part to be fitted, or a fit that says why there is none."""
    sample = checked_sample(values)
    count = math.ceil(fraction * sample.values.size)
    status = sample.status if not sample.status.ok else _enough(sample.values, count)
    if not status.ok:
        return LawFit("InverseGamma", None, {}, n=count, status=status)
    threshold = float(sample.values[count]) if count < sample.values.size else math.inf
    unit = threshold if math.isfinite(threshold) else float(np.median(sample.values))
    return _part(unit / sample.values[:count][::-1], math.isfinite(threshold), unit)


def _part(y: Floats, cut: bool, unit: float = 1.0) -> _Part:
    return _Part(y, cut, unit, float(np.log(y).mean()), float(y.mean()))


def _enough(values: Floats, count: int) -> Status:
    low = values[:count]
    if count < MIN_VALUES:
        return Status("too_few_values", f"the part holds {count} values where {MIN_VALUES} are needed; raise fraction")
    if np.count_nonzero(low[1:] > low[:-1]) + 1 < MIN_DISTINCT:
        return Status("degenerate", f"{count} values with fewer than {MIN_DISTINCT} distinct ones; raise fraction")
    if math.log(values[-1]) - math.log(low[0]) > _WIDEST:
        return Status("bad_values", "values spread over more than 300 orders of magnitude; drop the numerical zeros")
    return Status()


def _fits(parts: Sequence[_Part]) -> list[LawFit]:
    """The fit of each part; those of whole spectra and of lowest parts have likelihoods of their own."""
    if not parts:
        return []
    if len({part.cut for part in parts}) > 1:
        found = {cut: iter(_fits([part for part in parts if part.cut is cut])) for cut in (True, False)}
        return [next(found[part.cut]) for part in parts]
    best = _maximised(parts)
    shapes, bs = np.exp([one.point for one in best]).T
    sizes = np.array([part.size for part in parts])
    y = np.concatenate([part.y[::-1] for part in parts])  # ascending in x = unit/y
    levels = survival(np.repeat(shapes, sizes), np.repeat(bs, sizes), y, parts[0].cut)
    distances = _ks_of_levels(levels, sizes)
    return [
        _result(part, one, float(shape), float(b), float(distance))
        for part, one, shape, b, distance in zip(parts, best, shapes, bs, distances, strict=True)
    ]


def _maximised(parts: Sequence[_Part]) -> list[Maximum]:
    """In log shape and log b: steps to the maximum, the lowest corner where it falls from there, else a search."""
    cut = parts[0].cut
    logs, means = np.array([part.mean_log for part in parts]), np.array([part.mean for part in parts])
    shapes, bs, found = maxima(logs, means, cut, _LEAST)
    known = found & _inside(bs) & (_inside(shapes) | (shapes == _LEAST))
    corner = ~known & _falling_from_corner(logs, means, cut)
    shapes[corner] = bs[corner] = _LEAST
    known |= corner
    sizes = np.array([part.size for part in parts])
    likelihoods, errors = _at_maxima(shapes, bs, logs, means, sizes, cut)
    return [
        Maximum(
            np.log([shapes[i], bs[i]]), errors[:, i], float(likelihoods[i]), bool(shapes[i] == _LEAST), converged=True
        )
        if known[i]
        else _searched(part, (math.log(shapes[i]), math.log(bs[i])))
        for i, part in enumerate(parts)
    ]


def _falling_from_corner(logs: Floats, means: Floats, cut: bool) -> npt.NDArray[np.bool_]:
    """Where least shape and least b are the likeliest of the box: likelihoods are concave in them."""
    corner = law_at(np.array([_LEAST]), np.array([_LEAST]), cut)
    return np.asarray((logs <= corner[1]) & (means >= corner[2]))


def _inside(numbers: Floats) -> npt.NDArray[np.bool_]:
    return np.asarray(np.abs(np.log(numbers) - sum(_BOUNDS) / 2) < (_BOUNDS[1] - _BOUNDS[0]) / 2 - _EDGE)


def _at_maxima(
    shapes: Floats, bs: Floats, logs: Floats, means: Floats, sizes: npt.NDArray[np.intp], cut: bool
) -> tuple[Floats, Floats]:
    """Log likelihoods (r,) and standard errors of log shape and log b, (2, r); infinite where they are flat."""
    mass, first, second, v11, v12, v22, *_ = law_at(shapes, bs, cut)
    across = shapes * shapes * v11 - shapes * (logs - first)
    mixed, up = shapes * bs * v12, bs * bs * v22 - bs * (second - means)
    det = across * up - mixed * mixed
    curved = (across > 0) & (det > 0)
    errors = np.sqrt(np.where(curved, np.stack([up, across]) / np.where(curved, det, 1.0), np.inf) / sizes)
    return sizes * ((shapes - 1) * logs - bs * means - mass), errors


def _searched(part: _Part, start: tuple[float, float]) -> Maximum:
    """From where Newton's steps ended, or from an exponential law where that is likelier."""

    def log_likelihood(p: Floats) -> float:
        return part.log_likelihood(math.exp(p[0]), math.exp(p[1]))

    ended = np.clip(start, *_BOUNDS)
    plain = np.clip((0.0, -math.log(part.mean)), *_BOUNDS)
    best = ended if log_likelihood(ended) >= log_likelihood(plain) else plain
    return maximise(log_likelihood, part.size, list(best), (_BOUNDS, _BOUNDS))


def _ks_of_levels(levels: Floats, sizes: npt.NDArray[np.intp]) -> Floats:
    """`ks_of_levels` of several samples, one after the other in ``levels``."""
    starts = np.cumsum(sizes) - sizes
    own = np.repeat(sizes, sizes)
    after = (np.arange(levels.size) - np.repeat(starts, sizes) + 1.0) / own
    off = np.maximum(after - levels, levels - (after - 1.0 / own))
    return np.asarray(np.maximum.reduceat(off, starts))


def _ks_of_rows(falling: Floats) -> Floats:
    """The same of samples of one size, from P(Y > y) at their ascending y, (r, n)."""
    after = np.arange(falling.shape[1], 0, -1) / falling.shape[1]
    return np.asarray(np.maximum(after - falling, falling - (after - 1 / falling.shape[1])).max(axis=1))


def _result(part: _Part, best: Maximum, shape: float, b: float, distance: float) -> LawFit:
    estimates = {"shape": shape, "scale": b * part.unit}
    errors = dict(zip(estimates, map(float, best.stderr), strict=True))
    jacobian = part.size * (2 * part.mean_log - math.log(part.unit))  # from y back to x
    return LawFit(
        "InverseGamma",
        InverseGamma(shape, b * part.unit),
        estimates,
        {name: value * errors[name] for name, value in estimates.items()},
        {name: log_interval(value, errors[name]) for name, value in estimates.items()},
        n=part.size,
        until=part.unit if part.cut else math.inf,
        ks_distance=distance,
        log_likelihood=best.log_likelihood + jacobian,
        status=_status(best),
    )


def _status(best: Maximum) -> Status:
    if best.at_boundary:
        message = "the lowest values do not turn down as exp(-scale/x) does; another fraction, or a power law at zero"
        return Status("at_boundary", message)
    if not best.converged or not np.isfinite(best.stderr).all():
        return Status("not_converged", "the likelihood has no clear maximum; raise fraction")
    return Status()


def _p_value(part: _Part, fit: LawFit, count: int, rng: np.random.Generator) -> float:
    """Share of samples of the fitted law that lie as far from their own fit; all of them are refitted at once."""
    shape, b = fit.parameters["shape"], fit.parameters["scale"] / part.unit
    drawn = draws(shape, b, part.cut, rng, (count, part.size))
    shapes, bs, found = maxima(np.log(drawn).mean(axis=1), drawn.mean(axis=1), part.cut, _LEAST, (shape, b))
    found &= (shapes < _MOST) & (bs > _LEAST) & (bs < _MOST)
    if not found.all():  # on another edge of the box, where there is no maximum to converge to
        others = _maximised([_part(row, part.cut) for row in drawn[~found]])
        shapes[~found], bs[~found] = np.exp([one.point for one in others]).T
    falling, known = levels_about(shapes, bs, drawn, part.cut)
    distances = _ks_of_rows(falling)
    close = np.flatnonzero(~(known & (np.abs(distances - fit.ks_distance) > _CLOSE)))  # of these to the last bit
    if close.size:
        levels = survival(shapes[close, None], bs[close, None], drawn[close], part.cut)
        distances[close] = _ks_of_rows(levels)
    return (1 + int(np.count_nonzero(distances >= fit.ks_distance))) / (1 + count)
