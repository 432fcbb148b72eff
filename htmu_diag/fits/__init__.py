"""Fits: values in, a frozen result out."""

from htmu_diag.fits.distance import ad_distance, ks_distance
from htmu_diag.fits.gaps import gap_ratio
from htmu_diag.fits.power_law import fit_power_law
from htmu_diag.fits.results import BulkFit, Code, GapRatio, Interval, LawFit, Status, TailFit

__all__ = [
    "BulkFit",
    "Code",
    "GapRatio",
    "Interval",
    "LawFit",
    "Status",
    "TailFit",
    "ad_distance",
    "fit_power_law",
    "gap_ratio",
    "ks_distance",
]
