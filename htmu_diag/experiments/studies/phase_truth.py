"""Matrices whose phase is known by construction, and what the verdict makes of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from htmu_diag.analysis import Options, diagnose
from htmu_diag.errors import ConfigError
from htmu_diag.experiments.work import Outcome
from htmu_diag.spectrum import Floats, Kind, Source, Spectrum

__all__ = ["TRUTH", "phase_truth"]

SHAPES = ((64, 256), (96, 384), (200, 400), (250, 250))


def phase_truth(*, seed: int, truth: str, bootstrap: int = 50) -> Outcome:
    """One matrix of each shape: ``right`` is the share with the verdict of that name, ``as/<verdict>`` that of each.

    Raises ConfigError for a truth that there is no recipe for.
    """
    if truth not in TRUTH:
        raise ConfigError(f"truth: {truth!r} is none of {', '.join(TRUTH)}")
    phase, make = TRUTH[truth]
    verdicts: Counter[str] = Counter()
    for place, (p, n) in enumerate(SHAPES):
        matrix = make(p, n, np.random.default_rng([seed, place]))
        values = np.linalg.eigvalsh(matrix @ matrix.T / n).clip(0)
        spectrum = Spectrum.exact(values, Source(Kind.WEIGHTS, truth, (p, n)))
        verdicts[diagnose(spectrum, Options(bootstrap=bootstrap, seed=seed)).verdict] += 1
    shares = {f"as/{verdict}": count / len(SHAPES) for verdict, count in verdicts.items()}
    known = dict.fromkeys((f"as/{one}" for one, _ in TRUTH.values()), 0.0)
    return Outcome({**known, **shares, "right": verdicts[phase] / len(SHAPES)})


def _noise(p: int, n: int, rng: np.random.Generator) -> Floats:
    return rng.standard_normal((p, n))


def _uniform(p: int, n: int, rng: np.random.Generator) -> Floats:
    return rng.uniform(-(3**0.5), 3**0.5, (p, n))


def _spiked(p: int, n: int, rng: np.random.Generator, strengths: Floats) -> Floats:
    """Noise plus rank-one parts of these strengths, in units of the threshold at which one leaves the bulk."""
    matrix = _noise(p, n, rng)
    for strength in strengths:
        u, v = rng.standard_normal(p), rng.standard_normal(n)
        size = np.sqrt(strength * n * (p / n) ** 0.5)
        matrix += size * np.outer(u / np.linalg.norm(u), v / np.linalg.norm(v))
    return matrix


def _population(p: int, n: int, rng: np.random.Generator, variances: Floats) -> Floats:
    rotation = np.linalg.qr(rng.standard_normal((p, p)))[0]
    return np.asarray(rotation @ (np.sqrt(variances)[:, None] * _noise(p, n, rng)))


def _low_rank(p: int, n: int, rng: np.random.Generator, share: float, rest: float) -> Floats:
    rank = max(2, round(share * p))
    low = rng.standard_normal((p, rank)) @ rng.standard_normal((rank, n)) / rank**0.5
    return np.asarray(low + rest * _noise(p, n, rng))


Recipe = Callable[[int, int, np.random.Generator], Floats]

# name -> (phase, recipe)
TRUTH: dict[str, tuple[str, Recipe]] = {
    "gaussian": ("random-like", _noise),
    "uniform": ("random-like", _uniform),
    "bleeding": ("bleeding-out", lambda p, n, rng: _spiked(p, n, rng, np.array([1.6, 1.4]))),
    "one_spike": ("bulk+spikes", lambda p, n, rng: _spiked(p, n, rng, np.array([6.0]))),
    "nine_spikes": ("bulk+spikes", lambda p, n, rng: _spiked(p, n, rng, np.geomspace(3, 20, 9))),
    "lognormal": ("bulk-decay", lambda p, n, rng: _population(p, n, rng, np.exp(0.7 * rng.standard_normal(p)))),
    "gamma": ("bulk-decay", lambda p, n, rng: _population(p, n, rng, rng.gamma(2.0, 0.5, p))),
    "pareto_2": ("heavy-tailed", lambda p, n, rng: _population(p, n, rng, rng.pareto(1.0, p) + 1)),
    "pareto_3": ("heavy-tailed", lambda p, n, rng: _population(p, n, rng, rng.pareto(2.0, p) + 1)),
    "rank_half": ("rank-collapse", lambda p, n, rng: _low_rank(p, n, rng, 0.5, 0.0)),
    "rank_noise": ("rank-collapse", lambda p, n, rng: _low_rank(p, n, rng, 0.7, 1e-4)),
}
