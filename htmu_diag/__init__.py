"""Measure the spectra of a PyTorch model while it trains and compare them with random-matrix laws.

Importing this package imports neither torch nor matplotlib: public names resolve on first use, from the table below.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from htmu_diag._version import __version__
from htmu_diag.undisturbed import uncollected, undisturbed

if TYPE_CHECKING:  # for type checkers and editors; a test holds it and the table below together
    from htmu_diag.analysis import Diagnosis as Diagnosis
    from htmu_diag.analysis import Options as Options
    from htmu_diag.analysis import diagnose as diagnose
    from htmu_diag.errors import HTMUError as HTMUError
    from htmu_diag.fits import fit_htmp as fit_htmp
    from htmu_diag.fits import fit_marchenko_pastur as fit_marchenko_pastur
    from htmu_diag.fits import fit_power_law as fit_power_law
    from htmu_diag.laws import HTMP as HTMP
    from htmu_diag.laws import InverseHTMP as InverseHTMP
    from htmu_diag.laws import MarchenkoPastur as MarchenkoPastur
    from htmu_diag.monitor import Monitor as Monitor
    from htmu_diag.monitor.watch import watch as watch
    from htmu_diag.offline.analyze import analyze as analyze
    from htmu_diag.operators import conjugate_kernel as conjugate_kernel
    from htmu_diag.operators import empirical_ntk as empirical_ntk
    from htmu_diag.operators import input_output_jacobian as input_output_jacobian
    from htmu_diag.operators import ntk_operator as ntk_operator
    from htmu_diag.report import Analysis as Analysis
    from htmu_diag.report import compare as compare
    from htmu_diag.report import load_run as load_run
    from htmu_diag.spectrum import Estimator as Estimator
    from htmu_diag.spectrum import Kind as Kind
    from htmu_diag.spectrum import Source as Source
    from htmu_diag.spectrum import Spectrum as Spectrum
    from htmu_diag.theory import LearningCurve as LearningCurve
    from htmu_diag.theory import learning_curve as learning_curve

# public name -> the module that defines it
_PUBLIC = {
    "HTMUError": "errors",
    "Estimator": "spectrum",
    "Kind": "spectrum",
    "Source": "spectrum",
    "Spectrum": "spectrum",
    "MarchenkoPastur": "laws",
    "HTMP": "laws",
    "InverseHTMP": "laws",
    "fit_power_law": "fits",
    "fit_htmp": "fits",
    "fit_marchenko_pastur": "fits",
    "analyze": "offline",
    "Analysis": "report",
    "diagnose": "analysis",
    "Diagnosis": "analysis",
    "Options": "analysis",
    "load_run": "report",
    "compare": "report",
    "learning_curve": "theory",
    "LearningCurve": "theory",
    "empirical_ntk": "operators",
    "ntk_operator": "operators",
    "conjugate_kernel": "operators",
    "input_output_jacobian": "operators",
    "watch": "monitor",
    "Monitor": "monitor",
}

__all__ = ["__version__", *_PUBLIC]


if not TYPE_CHECKING:  # a type checker that saw it would take every mistyped name for Any

    def __getattr__(name: str) -> Any:
        if name not in _PUBLIC:
            raise AttributeError(f"module 'htmu_diag' has no attribute {name!r}; {_meant(name)}")
        with undisturbed(), uncollected():
            found = globals()[name] = getattr(_module(name), name)
        return found


def _meant(name: str) -> str:
    from htmu_diag.nearest import did_you_mean

    called = {"analyse": "analyze", "load": "load_run", "open_run": "load_run", "monitor": "watch", "fit": "diagnose"}
    return did_you_mean(name, _PUBLIC, f"public names: {', '.join(sorted(_PUBLIC))}", called)


def _module(name: str) -> Any:
    try:
        return importlib.import_module(f"htmu_diag.{_PUBLIC[name]}")
    except ModuleNotFoundError as error:
        from htmu_diag.extras import missing

        raise missing(f"htmu_diag.{name}", error) or error from None


def __dir__() -> list[str]:
    return sorted(__all__)
