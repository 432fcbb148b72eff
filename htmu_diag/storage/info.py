"""What a run says about itself: versions, commit, command, configuration, seed."""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from htmu_diag._version import __version__
from htmu_diag.storage.git_head import head_commit
from htmu_diag.storage.record import SCHEMA

__all__ = ["encode_info", "run_info"]

_PACKAGES = ("torch", "numpy", "scipy", "safetensors", "tensorboard", "powerlaw")


def run_info(
    config: Mapping[str, Any] | None = None, *, seed: int | None = None, cwd: Path | None = None, **more: Any
) -> dict[str, Any]:
    """The content of ``run.json``: what is needed to run the same again.

    config: the run's configuration as plain values. seed: of the whole run. cwd: folder whose git commit is recorded
    (default: the current one). more: further entries, as they are.
    """
    return {
        "schema": SCHEMA,
        "created": time.time(),
        "command": sys.argv,
        "config": dict(config or {}),
        "seed": seed,
        "git": _git(cwd or Path.cwd()),
        "versions": {"htmu_diag": __version__, "python": platform.python_version(), **_versions()},
        "platform": _platform(),
        **more,
    }


def _platform() -> str:
    """As `platform.platform` tells it, which runs ``uname -p``, whichever the PATH finds first."""
    library = "".join(platform.libc_ver())
    found = [platform.system(), platform.release(), platform.machine(), *(["with", library] if library else [])]
    return "-".join(found)


def encode_info(info: Mapping[str, Any]) -> bytes:
    """As JSON; values that JSON does not know (paths, devices, data types) become their text."""
    return json.dumps(dict(info), indent=2, default=str, ensure_ascii=False).encode(errors="backslashreplace")


@cache
def _versions() -> dict[str, str]:
    """What is installed now; asked once, since each answer reads a file."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _git(folder: Path) -> dict[str, Any] | None:
    """The commit, None outside a repository; read from files, since running git may run what others wrote."""
    commit = head_commit(folder)
    return None if commit is None else {"commit": commit}
