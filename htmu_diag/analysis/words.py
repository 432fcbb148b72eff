"""Numbers as a person reads them, the same in every table."""

from __future__ import annotations

import math
from collections.abc import Iterable

from htmu_diag.analysis.diagnosis import Diagnosis
from htmu_diag.analysis.numbers import LARGEST_KAPPA
from htmu_diag.fits import LawFit

__all__ = ["NO_VALUE", "brief_number", "kappa_words", "mean_kappa_words", "number", "predicted_words", "with_error"]

NO_VALUE = "-"


def number(value: float) -> str:
    """Three significant digits, whole numbers whole, "-" for NaN.

    >>> number(3.14159), number(120.0), number(0.0), number(float("nan")), number(2.5e-7)
    ('3.14', '120', '0', '-', '2.5e-07')
    """
    if math.isnan(value):
        return NO_VALUE
    if math.isinf(value) or (value == int(value) and abs(value) < 1e6):
        return f"{value:.0f}"
    return f"{value:.3g}"


def brief_number(name: str, value: float) -> str:
    """`number`, but "noise" for a kappa that stands for N or more, of one layer or on an average.

    >>> brief_number("kappa_median", 10404.6), brief_number("kappa", 2.5), brief_number("spikes", 2e4)
    ('noise', '2.5', '20000')
    """
    return "noise" if name.startswith("kappa") and value >= LARGEST_KAPPA else number(value)


def with_error(value: float, stderr: float) -> str:
    """An estimate with its standard error, both to the error's two leading digits.

    >>> with_error(3.14159, 0.123), with_error(14.2, 3.7), with_error(2.0, float("nan"))
    ('3.14 +- 0.12', '14.2 +- 3.7', '2')
    """
    if not (math.isfinite(value) and math.isfinite(stderr) and stderr > 0):
        return number(value)
    digits = max(0, 1 - math.floor(math.log10(stderr)))
    return f"{value:.{digits}f} +- {stderr:.{digits}f}"


def kappa_words(fit: LawFit | None) -> str:
    """kappa with its error; "noise (>= N)" where it is N or more; with a mark where the law does not describe."""
    if fit is None or fit.law is None:
        return NO_VALUE
    rigid = "noise" if fit.family == "HTMP" else "rigid"
    text = f"{rigid} (>= {fit.n})" if fit.noise else with_error(fit.kappa, fit.kappa_stderr)
    return text if fit.reading.stands else f"{text}, does not describe"


def mean_kappa_words(fits: Iterable[LawFit]) -> str:
    """The geometric mean of what is below noise, and how many are noise, whose kappa is no number to average."""
    laws = [fit for fit in fits if fit.law is not None]
    below = [math.log(fit.kappa) for fit in laws if not fit.noise]
    noise = len(laws) - len(below)
    if not below:
        return "noise" if noise else NO_VALUE
    mean = number(math.exp(math.fsum(below) / len(below)))
    return f"{mean} over {len(below)}, noise in {noise}" if noise else mean


def predicted_words(diagnosis: Diagnosis) -> str:
    """The predicted alpha, in brackets where its law does not describe the spectrum: it predicts nothing then."""
    text = number(diagnosis.alpha_predicted)
    return text if diagnosis.prediction_stands or text == NO_VALUE else f"({text})"
