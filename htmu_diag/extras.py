"""Packages that are not installed with this one, and the words that say which to add."""

from __future__ import annotations

from htmu_diag.errors import MissingPackage

__all__ = ["EXTRAS", "missing"]

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


def missing(what: str, error: ModuleNotFoundError, extra: str = "") -> MissingPackage | None:
    """What is said where a known package is not there; None for one that this package does not know.

    extra: the one to install, where it is not that of the package.

    >>> str(missing("Run.to_pandas", ModuleNotFoundError(name="pandas.core")))
    "Run.to_pandas needs pandas, which is not installed; pip install 'htmu_diag[pandas]'"
    """
    package = (error.name or "").partition(".")[0]
    if package not in EXTRAS:
        return None
    hint = _TORCH if package in ("torch", "torchvision") else ""
    told = f"{what} needs {package}, which is not installed; pip install 'htmu_diag[{extra or EXTRAS[package]}]'{hint}"
    return MissingPackage(told, name=package)
