"""Packages that are not installed with this one, the words that say which to add, and imports that wait for use."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

from htmu_diag.errors import MissingPackage

__all__ = ["EXTRAS", "Late", "imported", "late_names", "missing"]

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


def late_names(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """``__getattr__`` of a package whose names resolve on first use. homes: name -> the module in it that has it."""

    def found(name: str) -> Any:
        here = sys.modules[package]
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}; it has {', '.join(here.__all__)}")
        value = getattr(importlib.import_module(f"{package}.{homes[name]}"), name)
        setattr(here, name, value)
        return value

    return found


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
