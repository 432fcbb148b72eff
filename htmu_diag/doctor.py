"""What this installation has and lacks, one finding a line: versions, devices, threads, TensorBoard's tab, folders."""

from __future__ import annotations

import importlib
import os
import platform
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path
from types import ModuleType
from typing import Literal

from threadpoolctl import threadpool_info

from htmu_diag._version import __version__
from htmu_diag.cores import cores
from htmu_diag.extras import EXTRAS, missing

__all__ = ["Finding", "findings"]

State = Literal["ok", "note", "wrong"]
NEEDED = ("numpy", "scipy", "matplotlib", "tensorboard", "safetensors", "powerlaw", "rich", "jsonargparse")
# import name -> distribution
_NAMES = {"sklearn": "scikit-learn", "curvlinops": "curvlinops-for-pytorch", "mlflow": "mlflow-skinny"}
_PLUGIN = "htmu_diag.tensorboard_plugin.loader"


@dataclass(frozen=True)
class Finding:
    """One line. state: "wrong" keeps something from working; "note" is a choice that may surprise."""

    state: State
    about: str
    said: str


def findings(folder: Path) -> Iterator[Finding]:
    """Everything, in the order in which one asks. folder: where runs are to be written."""
    yield Finding("ok", "htmu_diag", f"{__version__} in {Path(__file__).parent}")
    yield Finding("ok", "python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    yield from _needed()
    torch, said = _torch()
    yield said
    if torch is not None:
        yield from _devices(torch)
    yield _optional()
    yield from _threads()
    yield _plugin()
    yield _writable(folder)


def _needed() -> Iterator[Finding]:
    found = {name: _version(name) for name in NEEDED}
    yield Finding("ok", "libraries", ", ".join(f"{name} {number}" for name, number in found.items() if number))
    for name, number in found.items():
        if number is None:
            yield Finding("wrong", name, "is not installed; pip install --force-reinstall htmu_diag")


def _torch() -> tuple[ModuleType | None, Finding]:
    """What is measured needs it; an installation that only reads runs does not."""
    try:
        torch = importlib.import_module("torch")
    except ModuleNotFoundError as error:
        return None, Finding("note", "torch", f"{missing('measuring', error) or error}; reading runs works without")
    except (ImportError, OSError) as error:
        return None, Finding("wrong", "torch", f"cannot be imported ({error}); install it anew")
    return torch, Finding("ok", "torch", f"{torch.__version__}, {torch.get_num_threads()} threads")


def _devices(torch: ModuleType) -> Iterator[Finding]:
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            free, total = torch.cuda.mem_get_info(index)
            name = torch.cuda.get_device_name(index)
            yield Finding("ok", f"cuda:{index}", f"{name}, {free / 2**30:.0f} of {total / 2**30:.0f} GiB free")
    elif torch.backends.mps.is_available():
        yield Finding("ok", "mps", "Apple's GPU; spectra are taken on the CPU")
    else:
        why = "this build has no CUDA" if torch.version.cuda is None else "no CUDA device is seen"
        yield Finding("note", "devices", f"cpu only ({why})")


def _optional() -> Finding:
    found = {name: _version(_NAMES.get(name, name)) for name in EXTRAS if name != "torch"}
    have = [f"{name} {number}" for name, number in found.items() if number]
    lack = [f"{name} [{EXTRAS[name]}]" for name, number in found.items() if not number]
    absent = f"; not installed: {', '.join(lack)}" if lack else ""
    return Finding("ok", "extras", f"{', '.join(have) or 'none'}{absent}")


def _threads() -> Iterator[Finding]:
    """Bit-identical results need the same number of threads; two libraries of OpenMP in one process are slow."""
    pools = threadpool_info()
    blas = [f"{pool['internal_api']} {pool['version']}: {pool['num_threads']}" for pool in pools if _is_blas(pool)]
    yield Finding("ok", "threads", f"BLAS {', '.join(blas) or 'unknown'}; OMP_NUM_THREADS={_omp()}; {cores()} cores")
    if not os.environ.get("OMP_NUM_THREADS"):
        said = "the last bits of a training depend on the number of threads; export OMP_NUM_THREADS to repeat one"
        yield Finding("note", "threads", said)


def _is_blas(pool: dict[str, object]) -> bool:
    return pool["user_api"] == "blas"


def _omp() -> str:
    return os.environ.get("OMP_NUM_THREADS") or "unset"


def _plugin() -> Finding:
    points = [point for point in entry_points(group="tensorboard_plugins") if point.value.startswith(_PLUGIN)]
    if not points:
        said = "TensorBoard does not find the Spectra tab; install the package (pip install .), not only its folder"
        return Finding("wrong", "tensorboard", said)
    try:
        points[0].load()
    except ImportError as error:
        return Finding("wrong", "tensorboard", f"the Spectra tab cannot be loaded ({error}); install tensorboard anew")
    return Finding("ok", "tensorboard", "finds the Spectra tab (tensorboard --logdir runs)")


def _writable(folder: Path) -> Finding:
    """A file is written and taken away again in the nearest folder that exists."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place):
            return Finding("ok", "folder", f"{folder.absolute()} can be written")
    except OSError as error:
        return Finding(
            "wrong", "folder", f"{place} cannot be written ({error.strerror}); pass another log_dir or --out"
        )


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
