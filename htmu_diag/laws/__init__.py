"""Laws of spectra: one law, one file, scipy's method names."""

from htmu_diag.laws import ensembles
from htmu_diag.laws.base import ContinuousLaw, Law
from htmu_diag.laws.htmp import HTMP, InverseHTMP
from htmu_diag.laws.marchenko_pastur import MarchenkoPastur

__all__ = ["ContinuousLaw", "HTMP", "InverseHTMP", "Law", "MarchenkoPastur", "ensembles"]
