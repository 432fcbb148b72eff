"""Measure the spectra of a PyTorch model while it trains and compare them with random-matrix laws.

Importing this package imports neither torch nor matplotlib: public names resolve on first use, from the table below.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from htmu_diag._version import __version__
from htmu_diag.undisturbed import undisturbed

if TYPE_CHECKING:
    from htmu_diag.errors import HTMUError as HTMUError
    from htmu_diag.spectrum import Estimator as Estimator
    from htmu_diag.spectrum import Kind as Kind
    from htmu_diag.spectrum import Source as Source
    from htmu_diag.spectrum import Spectrum as Spectrum

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


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(
            f"module 'htmu_diag' has no attribute {name!r}; public names: {', '.join(sorted(_PUBLIC))}"
        )
    with undisturbed():
        found = globals()[name] = getattr(importlib.import_module(f"htmu_diag.{_PUBLIC[name]}"), name)
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
