"""Fits: values in, a frozen result out. Names resolve on first use, for a process needs few."""

from typing import TYPE_CHECKING

from htmu_diag.extras import late_names
from htmu_diag.fits.hill import hill  # a module of this name, too, which it hides

if TYPE_CHECKING:
    from htmu_diag.fits.bulk import spike_threshold as spike_threshold
    from htmu_diag.fits.comparison import compare as compare
    from htmu_diag.fits.distance import ad_distance as ad_distance
    from htmu_diag.fits.distance import ks_distance as ks_distance
    from htmu_diag.fits.gaps import gap_ratio as gap_ratio
    from htmu_diag.fits.htmp import fit_htmp as fit_htmp
    from htmu_diag.fits.htmp_bulk import fit_htmp_bulk as fit_htmp_bulk
    from htmu_diag.fits.inverse_gamma import fit_inverse_gamma as fit_inverse_gamma
    from htmu_diag.fits.law_ranking import LawRanking as LawRanking
    from htmu_diag.fits.law_ranking import RankedLaw as RankedLaw
    from htmu_diag.fits.law_ranking import rank_laws as rank_laws
    from htmu_diag.fits.marchenko_pastur import fit_marchenko_pastur as fit_marchenko_pastur
    from htmu_diag.fits.power_law import fit_power_law as fit_power_law
    from htmu_diag.fits.results import BulkFit as BulkFit
    from htmu_diag.fits.results import Code as Code
    from htmu_diag.fits.results import Comparison as Comparison
    from htmu_diag.fits.results import GapRatio as GapRatio
    from htmu_diag.fits.results import HillPlot as HillPlot
    from htmu_diag.fits.results import Interval as Interval
    from htmu_diag.fits.results import LawFit as LawFit
    from htmu_diag.fits.results import Status as Status
    from htmu_diag.fits.tail_families import Parameter as Parameter
    from htmu_diag.fits.tail_families import TailFamily as TailFamily
    from htmu_diag.fits.tail_fit import TailFit as TailFit
    from htmu_diag.fits.tail_fit import TailVerdict as TailVerdict
    from htmu_diag.fits.tail_laws import fit_tail_law as fit_tail_law
    from htmu_diag.fits.tail_laws import fit_truncated_power_law as fit_truncated_power_law

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

# name -> the module that defines it
_PUBLIC = {
    "spike_threshold": "bulk",
    "compare": "comparison",
    **dict.fromkeys(("ad_distance", "ks_distance"), "distance"),
    "gap_ratio": "gaps",
    "fit_htmp": "htmp",
    "fit_htmp_bulk": "htmp_bulk",
    "fit_inverse_gamma": "inverse_gamma",
    **dict.fromkeys(("LawRanking", "RankedLaw", "rank_laws"), "law_ranking"),
    "fit_marchenko_pastur": "marchenko_pastur",
    "fit_power_law": "power_law",
    **dict.fromkeys(
        ("BulkFit", "Code", "Comparison", "GapRatio", "HillPlot", "Interval", "LawFit", "Status"), "results"
    ),
    **dict.fromkeys(("Parameter", "TailFamily"), "tail_families"),
    **dict.fromkeys(("TailFit", "TailVerdict"), "tail_fit"),
    **dict.fromkeys(("fit_tail_law", "fit_truncated_power_law"), "tail_laws"),
}

if not TYPE_CHECKING:  # a type checker that saw it would take every mistyped name for Any
    __getattr__ = late_names(__name__, _PUBLIC)


def __dir__() -> list[str]:
    return sorted(__all__)
