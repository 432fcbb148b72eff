"""Packages that are not installed with this one, and the words that say which to add."""

from __future__ import annotations

import importlib
from typing import Any

from htmu_diag.errors import MissingPackage

__all__ = ["EXTRAS", "Late", "imported", "missing"]

# package -> the extra that brings it
EXTRAS = {
    "torch": "torch",
    "torchvision": "train",
    "sklearn": "train",
    "pandas": "pandas",
    "pyarrow": "parquet",
    "anywidget": "notebook",
    "lightning": "lightning",
    "transformers": "transformers",
    "accelerate": "transformers",
    "wandb": "wandb",
    "trackio": "trackio",
    "mlflow": "mlflow",
    "curvlinops": "curvature",
}
_TORCH = (
    "; a small build without CUDA comes from https://download.pytorch.org/whl/cpu (pip install torch torchvision "
    "--index-url ..., both in one line)"
)


class Late:
    """A module that is imported when something of it is asked for: annotations name it, and no import waits for it.

    ``typing.get_type_hints`` finds the types there. What Python itself asks of any value is never asked of the module.
    """

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        module = importlib.import_module(self._module)
        return getattr(module, name) if hasattr(module, name) else importlib.import_module(f"{self._module}.{name}")


def imported(module: str, what: str) -> Any:
    """An optional module. Raises MissingPackage, which says what needs it and which extra brings it, without it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        if isinstance(error, ModuleNotFoundError) and (known := missing(what, error)):
            raise known from None
        raise MissingPackage(_sentence(what, package, f"cannot be imported ({error})"), name=package) from error


def missing(what: str, error: ModuleNotFoundError, extra: str = "") -> MissingPackage | None:
    """What is said where a known package is not there; None for one that this package does not know.

    extra: the one to install, where it is not that of the package.

    >>> str(missing("Run.to_pandas", ModuleNotFoundError(name="pandas.core")))
    "Run.to_pandas needs pandas, which is not installed; pip install 'htmu_diag[pandas]'"
    """
    package = (error.name or "").partition(".")[0]
    if package not in EXTRAS:
        return None
    return MissingPackage(_sentence(what, package, "is not installed", extra), name=package)


def _sentence(what: str, package: str, fault: str, extra: str = "") -> str:
    hint = _TORCH if package in ("torch", "torchvision") else ""
    return f"{what} needs {package}, which {fault}; pip install 'htmu_diag[{extra or EXTRAS[package]}]'{hint}"
