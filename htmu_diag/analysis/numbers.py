"""The numbers of each fit, by their names in `quantities`."""

from __future__ import annotations

import math

import numpy as np

from htmu_diag.fits import BulkFit, LawFit, TailFit
from htmu_diag.fits.law_ranking import LAWS, LawRanking
from htmu_diag.theory.predictions import Prediction

__all__ = [
    "bulk_numbers",
    "htmp_bulk_numbers",
    "htmp_numbers",
    "inverse_gamma_numbers",
    "law_numbers",
    "lower_numbers",
    "prediction_numbers",
    "tail_numbers",
]

LARGEST_KAPPA = 1e4  # shown for noise, where kappa has no upper end


def tail_numbers(tail: TailFit, log_norm: float) -> dict[str, float]:
    low, high = tail.alpha_interval
    return {
        "alpha": tail.alpha,
        "alpha_stderr": tail.alpha_stderr,
        "alpha_low": low,
        "alpha_high": high,
        "xmin": tail.xmin,
        "n_tail": float(tail.n_tail),
        "ks": tail.ks_distance,
        "p": tail.p_value,
        "alpha_weighted": tail.alpha * log_norm,
    }


def htmp_numbers(fit: LawFit) -> dict[str, float]:
    low, high = fit.kappa_interval
    kappa, of_law = _finite(fit.kappa), _finite(getattr(fit.law, "kappa", np.nan))
    return {
        "kappa": kappa,
        "log_kappa": math.log10(kappa) if kappa > 0 else math.nan,
        "kappa_stderr": fit.kappa_stderr,
        "kappa_low": low,
        "kappa_high": high,
        "htmp_kappa": of_law,
        "htmp_scale": fit.scale,
        "htmp_floor": fit.floor,
        "htmp_ks": fit.ks_distance,
        "htmp_p": fit.p_value,
        "tail_exponent": fit.tail_exponent,
    }


def _finite(kappa: float) -> float:
    return LARGEST_KAPPA if kappa == math.inf else kappa


def bulk_numbers(fit: BulkFit) -> dict[str, float]:
    return {
        "bulk_scale": fit.scale,
        "bulk_edge": fit.upper_edge,
        "bulk_ks": fit.ks_distance,
        "bulk_p": fit.p_value,
        "spikes": float(fit.n_spikes) if fit.status.ok else np.nan,
    }


def lower_numbers(tail: TailFit | None) -> dict[str, float]:
    """Of the lower tail, whose fit is one of 1/values: (0, xmax] in the values themselves."""
    if tail is None or np.isnan(tail.alpha):
        return {"lower_exponent": np.nan}
    return {"lower_exponent": tail.exponent, "lower_xmax": 1.0 / tail.xmin, "lower_n_tail": float(tail.n_tail)}


def inverse_gamma_numbers(fit: LawFit, dimension: int) -> dict[str, float]:
    """dimension: of the spectrum whose lowest part the law was fitted to."""
    shape = fit.parameters.get("shape", np.nan)
    found = {"inverse_gamma_shape": shape, "inverse_gamma_ks": fit.ks_distance}
    if fit.law is None or not fit.status.ok or not fit.law.cdf(fit.until) > 0:
        return found  # without a curve: what stands at an edge of its parameters is no law of these values
    height = fit.n / dimension * float(fit.law.pdf(fit.until) / fit.law.cdf(fit.until))
    return {**found, "inverse_gamma_scale": fit.scale, "inverse_gamma_end": fit.until, "inverse_gamma_height": height}


def htmp_bulk_numbers(fit: LawFit) -> dict[str, float]:
    """Of the fit to the bulk alone."""
    kappa = min(fit.kappa, LARGEST_KAPPA)
    return {"kappa_bulk": kappa, "kappa_bulk_stderr": fit.kappa_stderr, "htmp_bulk_ks": fit.ks_distance}


def law_numbers(ranking: LawRanking, law: str) -> dict[str, float]:
    """law: whose lag behind the likeliest one is told."""
    best, free = ranking.best, ranking.of("FreeLognormal")
    if best is None or free is None:
        return {}
    return {
        "law_best": float(LAWS.index(best.name)),
        "delta_aic": ranking.lead(law),
        "law_ks": best.ks_distance,
        "population_spread": free.parameters["sigma"],
    }


def prediction_numbers(prediction: Prediction) -> dict[str, float]:
    low, high = prediction.interval
    return {
        "alpha_predicted": prediction.alpha,
        "alpha_predicted_low": low,
        "alpha_predicted_high": high,
        "lambda_max_predicted": prediction.lambda_max,
    }
