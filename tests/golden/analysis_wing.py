"""What is computed for `numbers`: laws, fits, theory and the diagnosis of fixed spectra."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from htmu_diag import Options, diagnose, fits, theory
from htmu_diag.analysis import density, summarize
from htmu_diag.fits import joint_repulsion, near_noise, rank_correlation, repulsion, series, spiked
from htmu_diag.laws import (
    HTMP,
    FreeLognormal,
    Gamma,
    InverseGamma,
    InverseHTMP,
    Lognormal,
    MarchenkoPastur,
    PowerLaw,
    Wachter,
    ensembles,
    log_gap,
)
from htmu_diag.laws.base import Law
from htmu_diag.spectrum import Floats, Kind, Source, Spectrum
from htmu_diag.theory import learning_numbers, local_resolution, near_zero, tail_prediction
from tests.laws.cases import LAWS

SHARES = np.array([1e-12, 1e-6, 1e-3, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999, 1 - 1e-9])
MORE_LAWS: list[Law] = [
    Gamma(0.4, 2.0),
    Gamma(30.0),
    FreeLognormal(0.5, 0.6),
    FreeLognormal(1.0, 1.5, 2.0),
    Wachter(0.3, 0.4),
    Wachter(0.7, 0.9, 2.0),
    HTMP(0.999, 1.2),
    HTMP(0.05, 0.3),
    InverseHTMP(1.0, 8.0),
    InverseHTMP(0.02, 90.0),
]


def of_law(law: Law) -> dict[str, Any]:
    """At quantiles of both tails, beyond the support, and the moments."""
    shares = SHARES[2:-1] if isinstance(law, FreeLognormal) else SHARES  # its far tails hold six digits
    x = np.asarray(law.ppf(shares))
    low, high = law.support()
    beyond = np.array([-1.0, 0.0, low * 0.99, low, high if math.isfinite(high) else 1e9, min(high, 1e9) * 1.01, np.inf])
    methods = {name: getattr(law, name) for name in ("pdf", "logpdf", "cdf", "sf", "logsf")}
    inside = {name: method(x) for name, method in methods.items()}
    outside = {f"beyond.{name}": methods[name](beyond) for name in ("pdf", "cdf", "sf")}
    drawn = law.rvs((2, 2), rng=np.random.default_rng(0))
    sizes = {"mean": law.mean(), "var": law.var(), "support": (low, high)}
    return {"x": x, "isf": law.isf(shares), **inside, **outside, "rvs": drawn, **sizes}


def quantiles(law: Law, n: int) -> Floats:
    """(n,) values without chance."""
    return np.asarray(law.ppf((np.arange(n) + 0.5) / n))


def noise(p: int, n: int, seed: int = 0) -> Floats:
    return ensembles.wishart(p, n, rng=np.random.default_rng(seed))


def heavy(n: int = 150, gamma: float = 0.5, kappa: float = 4.0) -> Floats:
    return ensembles.beta_laguerre(n, gamma, kappa, rng=np.random.default_rng(1))


def with_spikes() -> Floats:
    return ensembles.spiked(60, 90, [9.0, 4.0, 3.0], rng=np.random.default_rng(2))


SAMPLES: dict[str, tuple[Floats, float]] = {
    "noise": (noise(80, 160), 0.5),
    "square": (noise(60, 60), 1.0),
    "heavy": (heavy(), 0.5),
    "levy": (ensembles.levy(60, 80, 1.4, rng=np.random.default_rng(3)), 0.75),
    "spikes": (with_spikes(), 2 / 3),
    "zeros": (np.r_[np.zeros(12), heavy(100, 0.25, 8.0)], 0.25),
    "tiny": (noise(6, 9), 2 / 3),
    "huge": (1e40 * heavy(60, 1.0, 2.0), 1.0),
}
TAILS = ("power_law", "truncated_power_law", "lognormal", "exponential", "stretched_exponential")


RANKED = ("heavy", "levy", "zeros", "tiny")  # noise alone takes a second
FEW_DIGITS = ("levy",)  # its likelihood is too flat for more


def of_sample(name: str) -> dict[str, Any]:
    values, gamma = SAMPLES[name]
    bulk = fits.fit_marchenko_pastur(values, gamma)
    rng = np.random.default_rng
    return {
        "bulk": bulk,
        "tail": fits.fit_power_law(values[values > 0], bootstrap=3, rng=rng(0), cross_check=True),
        "lower": fits.fit_power_law(values[values > 0], tail="lower"),
        "htmp": fits.fit_htmp(values, gamma, resolution=None, rng=rng(1)),
        "inverse": fits.fit_htmp(values, gamma, orientation="inverse", floor="fit"),
        "auto": fits.fit_htmp(values, gamma, orientation="auto", below=float(np.median(values))),
        "small": None
        if name in FEW_DIGITS
        else fits.fit_inverse_gamma(values[values > 0], 0.3, bootstrap=3, rng=rng(2)),
        **(of_ranking(fits.rank_laws(values, gamma)) if name in RANKED else {"ranking": None}),
        "bulk_htmp": fits.fit_htmp_bulk(values, gamma, bulk),
        "gaps": fits.gap_ratio(values),
        "hill": fits.hill(values[values > 0]),
    }


def of_ranking(found: fits.LawRanking) -> dict[str, Any]:
    return {"ranking": found, "ranking.ks": [law.ks_distance for law in found.laws]}


def of_tails() -> dict[str, Any]:
    values, cut = quantiles(PowerLaw(2.3, 0.5), 70), quantiles(Lognormal(0.3, 0.6), 70)
    fitted = {law: fits.fit_tail_law(cut, 0.8, law) for law in TAILS}  # type: ignore[arg-type]
    law = PowerLaw(2.3, 0.5)
    weights = np.linspace(1.0, 2.0, 70)
    return {
        **fitted,
        "truncated": fits.fit_truncated_power_law(cut),
        "compared": fits.compare(cut, 0.8, TAILS),  # type: ignore[arg-type]
        "distances": (fits.ks_distance(values, law), fits.ks_distance(values, law, weights / weights.sum())),
        "anderson": fits.ad_distance(values * 1.05, law),
        "thresholds": [fits.spike_threshold(n, gamma, 2.0) for n, gamma in ((50, 0.3), (1e4, 1.0), (300, 1e-3))],
    }


def of_helpers() -> dict[str, Any]:
    rng = np.random.default_rng(4)
    columns, y = rng.normal(size=(3, 16)), rng.normal(size=16)
    groups = np.arange(16) % 4
    kappas = [(gamma, kappa, n) for gamma in (0.15, 0.6, 1.0) for kappa, n in ((3.0, 40.0), (60.0, 200.0), (2e3, 1e5))]
    return {
        "spread": [repulsion.spread_factors(gamma, kappa, n) for gamma, kappa, n in kappas],
        "matrix": [(repulsion.of_the_matrix(k, n), repulsion.matrix_kappa(k, n)) for _, k, n in kappas],
        "skewness": [repulsion.skewness(k, n) for _, k, n in kappas],
        "joint": [
            joint_repulsion.joint_repulsion(values, gamma) for values, gamma in (SAMPLES["noise"], SAMPLES["heavy"])
        ],
        "joint_stderr": [joint_repulsion.joint_stderr(1.3, 50, 0.4), joint_repulsion.joint_stderr(0.2, 500, 1.0)],
        "near": [near_noise.least_of_noise(r, n, g) for r, n, g in ((0.9, 60.0, 0.5), (1.1, 500.0, 1.0))],
        "gap": [log_gap.htmp_log_gap(k, g) for g, k, _ in kappas],
        "noise_gap": [log_gap.marchenko_pastur_log_gap(g) for g in (0.01, 0.5, 1.0)],
        "of_gap": [log_gap.repulsion_of_log_gap(gap, 0.6) for gap in (0.5, 1.5, 4.0)],
        "running": series.running_median(np.sin(np.arange(60.0))),
        "strengths": spiked.strengths_above(np.array([5.0, 3.0]), 0.5),
        "taus": (rank_correlation.tau(columns[0], y), rank_correlation.tau(columns[0], y, groups)),
    }


def of_theory() -> dict[str, Any]:
    exponent = theory.Exponent
    rng = np.random.default_rng(5)
    basis = np.linalg.qr(rng.normal(size=(40, 40)))[0]
    kernel = (basis * np.arange(1.0, 41.0) ** -1.5) @ basis.T * 40
    targets = basis @ np.arange(1.0, 41.0) ** -1.0
    vectors = np.linalg.qr(rng.normal(size=(30, 6)))[0]
    laws: list[Law] = [HTMP(0.5, 4.0), InverseHTMP(0.5, 4.0), MarchenkoPastur(0.5), InverseGamma(1.5)]
    return {
        "learning_exponent": theory.learning_exponent(exponent(1.6, 0.1), exponent(1.3, 0.2)),
        "rank": [theory.rank_exponent(np.arange(1.0, 200.0) ** -1.4), theory.rank_exponent(heavy(), (2, 60))],
        "target": theory.target_exponent(np.arange(1.0, 99.0) ** -2.2 * (1 + 0.1 * np.sin(np.arange(98.0)))),
        "free": [theory.free_energy(heavy(), c) for c in (1e-6, 0.5, 30.0)] + [theory.least_free_energy(heavy())],
        "curve": theory.learning_curve(kernel, targets, [4, 10, 30], 0.01),
        "regression": theory.kernel_regression_curve(
            kernel, targets, [5, 20], 0.1, draws=3, rng=np.random.default_rng(0)
        ),
        "learning": learning_numbers.learning_numbers(kernel, targets),
        "local": local_resolution.local_resolutions(kernel, 10, 0.01, 1.0),
        "sampled": local_resolution.sampled_errors(kernel, targets[:, None], 10, 0.01, 1.0),
        "near_zero": [near_zero.near_zero_share(values, gamma) for values, gamma in SAMPLES.values()],
        "quartiles": [near_zero.noise_quartiles(gamma) for gamma in (0.01, 0.4, 1.0)],
        "entropy": (theory.eigenvector_entropy(vectors), theory.haar_entropy(5), theory.haar_entropy(700)),
        "spikes": [
            (
                theory.bbp_threshold(g),
                theory.population_spike(4.0, g),
                theory.sample_spike(3.0, g, 2.0),
                theory.spike_overlap(2.5, g),
            )
            for g in (0.1, 0.5, 1.0)
        ],
        "exponents": (
            theory.inverse_htmp_tail_exponent(4.0, 0.5),
            theory.repulsion_for_tail_exponent(3.0, 0.5),
            theory.eigenvalue_exponent(3.2),
        ),
        "estimated": [theory.estimated_exponent(law, n) for law in laws for n in (30, 1000)],
        "above": [tail_prediction.exponent_above(law, float(law.ppf(0.8)), 40) for law in laws],
    }


def spectrum_of(values: Floats, gamma: float, kind: Kind = Kind.WEIGHTS, **more: Any) -> Spectrum:
    n = len(values)
    return Spectrum.exact(np.sort(values), Source(kind, "blocks.3.mlp.up", (n, round(n / gamma)), **more))


OPTIONS = Options(bootstrap=6)
DIAGNOSED: dict[str, Callable[[], Spectrum]] = {
    **{name: (lambda name=name: spectrum_of(*SAMPLES[name])) for name in SAMPLES},  # type: ignore[misc]
    "kernel": lambda: spectrum_of(quantiles(InverseHTMP(1.0, 4.0), 60), 1.0, Kind.NTK, step=3, unit="of K / n"),
    "hessian": lambda: spectrum_of(np.r_[-quantiles(Gamma(0.7), 30), quantiles(PowerLaw(2.0), 50)], 1.0, Kind.HESSIAN),
    "jacobian": lambda: spectrum_of(quantiles(Gamma(2.0), 24), 0.4, Kind.JACOBIAN),
    "features": lambda: spectrum_of(quantiles(FreeLognormal(0.5, 0.8), 48), 0.5, Kind.CONJUGATE_KERNEL),
}


def of_diagnosis(spectrum: Spectrum) -> dict[str, Any]:
    found = diagnose(spectrum, OPTIONS)
    drawn = density.density(found)
    shown = {} if drawn is None else {"drawn": drawn, "packed": drawn.packed()}
    words = {"verdict": found.verdict, "row": found.row()}
    return {"numbers": found.numbers, "phase": found.phase, **words, **shown, "summary": summarize([found])}


CASES: dict[str, dict[str, Callable[[], Any]]] = {
    "laws": {repr(law): (lambda law=law: of_law(law)) for law in (*LAWS, *MORE_LAWS)},  # type: ignore[misc]
    "fits": {
        **{name: (lambda name=name: of_sample(name)) for name in SAMPLES},  # type: ignore[misc]
        "tails": of_tails,
        "helpers": of_helpers,
    },
    "theory": {"theory": of_theory},
    "analysis": {name: (lambda make=make: of_diagnosis(make())) for name, make in DIAGNOSED.items()},  # type: ignore[misc]
}
