"""Laws of spectra: one law, one file, scipy's method names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from htmu_diag.laws import ensembles
from htmu_diag.laws.base import ContinuousLaw, Law
from htmu_diag.laws.free import FreeLognormal
from htmu_diag.laws.gamma import Gamma
from htmu_diag.laws.htmp import HTMP, InverseHTMP
from htmu_diag.laws.inverse_gamma import InverseGamma
from htmu_diag.laws.light_tails import Exponential, Lognormal, StretchedExponential
from htmu_diag.laws.marchenko_pastur import MarchenkoPastur
from htmu_diag.laws.power_law import PowerLaw, TruncatedPowerLaw
from htmu_diag.laws.tracy_widom import TracyWidom
from htmu_diag.laws.wachter import Wachter

if TYPE_CHECKING:
    from htmu_diag.laws.adapter import as_rv_continuous as as_rv_continuous

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


if not TYPE_CHECKING:  # a type checker that saw it would take every mistyped name for Any

    def __getattr__(name: str) -> Any:
        """``as_rv_continuous`` on first use: scipy.stats takes three times as long to import as all the laws."""
        if name == "as_rv_continuous":
            from htmu_diag.laws.adapter import as_rv_continuous

            return as_rv_continuous
        raise AttributeError(f"module 'htmu_diag.laws' has no attribute {name!r}; it has {', '.join(__all__)}")
