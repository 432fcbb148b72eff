"""Laws of spectra: one law, one file, scipy's method names. Names resolve on first use: a process needs few laws."""

from typing import TYPE_CHECKING

from htmu_diag.extras import late_names
from htmu_diag.laws import ensembles

if TYPE_CHECKING:
    from htmu_diag.laws.adapter import as_rv_continuous as as_rv_continuous
    from htmu_diag.laws.base import ContinuousLaw as ContinuousLaw
    from htmu_diag.laws.base import Law as Law
    from htmu_diag.laws.free import FreeLognormal as FreeLognormal
    from htmu_diag.laws.gamma import Gamma as Gamma
    from htmu_diag.laws.htmp import HTMP as HTMP
    from htmu_diag.laws.htmp import InverseHTMP as InverseHTMP
    from htmu_diag.laws.inverse_gamma import InverseGamma as InverseGamma
    from htmu_diag.laws.light_tails import Exponential as Exponential
    from htmu_diag.laws.light_tails import Lognormal as Lognormal
    from htmu_diag.laws.light_tails import StretchedExponential as StretchedExponential
    from htmu_diag.laws.marchenko_pastur import MarchenkoPastur as MarchenkoPastur
    from htmu_diag.laws.power_law import PowerLaw as PowerLaw
    from htmu_diag.laws.power_law import TruncatedPowerLaw as TruncatedPowerLaw
    from htmu_diag.laws.tracy_widom import TracyWidom as TracyWidom
    from htmu_diag.laws.wachter import Wachter as Wachter

__all__ = [
    "ContinuousLaw",
    "Exponential",
    "FreeLognormal",
    "Gamma",
    "HTMP",
    "InverseGamma",
    "InverseHTMP",
    "Law",
    "Lognormal",
    "MarchenkoPastur",
    "PowerLaw",
    "StretchedExponential",
    "TracyWidom",
    "TruncatedPowerLaw",
    "Wachter",
    "as_rv_continuous",
    "ensembles",
]

# name -> the module that defines it
_PUBLIC = {
    **dict.fromkeys(("ContinuousLaw", "Law"), "base"),
    "FreeLognormal": "free",
    "Gamma": "gamma",
    **dict.fromkeys(("HTMP", "InverseHTMP"), "htmp"),
    "InverseGamma": "inverse_gamma",
    **dict.fromkeys(("Exponential", "Lognormal", "StretchedExponential"), "light_tails"),
    "MarchenkoPastur": "marchenko_pastur",
    **dict.fromkeys(("PowerLaw", "TruncatedPowerLaw"), "power_law"),
    "TracyWidom": "tracy_widom",
    "Wachter": "wachter",
    "as_rv_continuous": "adapter",
}

if not TYPE_CHECKING:  # a type checker that saw it would take every mistyped name for Any
    __getattr__ = late_names(__name__, _PUBLIC)


def __dir__() -> list[str]:
    return sorted(__all__)
