"""Fits: values in, a frozen result out."""

from htmu_diag.fits.bulk import spike_threshold
from htmu_diag.fits.comparison import compare
from htmu_diag.fits.distance import ad_distance, ks_distance
from htmu_diag.fits.gaps import gap_ratio
from htmu_diag.fits.hill import hill
from htmu_diag.fits.htmp import fit_htmp
from htmu_diag.fits.htmp_bulk import fit_htmp_bulk
from htmu_diag.fits.inverse_gamma import fit_inverse_gamma
from htmu_diag.fits.law_ranking import LawRanking, RankedLaw, rank_laws
from htmu_diag.fits.marchenko_pastur import fit_marchenko_pastur
from htmu_diag.fits.power_law import fit_power_law
from htmu_diag.fits.results import BulkFit, Code, Comparison, GapRatio, HillPlot, Interval, LawFit, Status
from htmu_diag.fits.tail_families import Parameter, TailFamily
from htmu_diag.fits.tail_fit import TailFit, TailVerdict
from htmu_diag.fits.tail_laws import fit_tail_law, fit_truncated_power_law

__all__ = [
    "BulkFit",
    "Code",
    "Comparison",
    "GapRatio",
    "HillPlot",
    "Interval",
    "LawFit",
    "LawRanking",
    "Parameter",
    "RankedLaw",
    "Status",
    "TailFamily",
    "TailFit",
    "TailVerdict",
    "ad_distance",
    "compare",
    "fit_htmp",
    "fit_htmp_bulk",
    "fit_inverse_gamma",
    "fit_marchenko_pastur",
    "fit_power_law",
    "fit_tail_law",
    "fit_truncated_power_law",
    "gap_ratio",
    "hill",
    "ks_distance",
    "rank_laws",
    "spike_threshold",
]
