"""Analysis: the one pipeline from a spectrum to named numbers, used live and offline."""

from htmu_diag.analysis.diagnose import batches, diagnose, diagnose_all, diagnose_each
from htmu_diag.analysis.diagnoser import Diagnoser
from htmu_diag.analysis.diagnosis import Diagnosis
from htmu_diag.analysis.options import Options
from htmu_diag.analysis.quantities import QUANTITIES, Quantity, declare
from htmu_diag.analysis.reading import Reading
from htmu_diag.analysis.record import StepRecord
from htmu_diag.analysis.summary import summarize

__all__ = [
    "QUANTITIES",
    "Diagnoser",
    "Diagnosis",
    "Options",
    "Quantity",
    "Reading",
    "StepRecord",
    "batches",
    "declare",
    "diagnose",
    "diagnose_all",
    "diagnose_each",
    "summarize",
]
