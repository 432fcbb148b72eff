"""What a run says about itself: versions, commit, command, configuration, seed."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from htmu_diag._version import __version__
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
        "platform": platform.platform(),
        **more,
    }


def encode_info(info: Mapping[str, Any]) -> bytes:
    """As JSON; values that JSON does not know (paths, devices, data types) become their text."""
    return json.dumps(dict(info), indent=2, default=str, ensure_ascii=False).encode()


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _git(folder: Path) -> dict[str, Any] | None:
    """Commit and whether files differ from it; None outside a repository or without git."""
    try:
        commit = _run_git(folder, "rev-parse", "HEAD")
        return {"commit": commit.strip(), "modified": bool(_run_git(folder, "status", "--porcelain").strip())}
    except (OSError, subprocess.SubprocessError):
        return None


def _run_git(folder: Path, *arguments: str) -> str:
    call = ["git", "-C", str(folder), *arguments]
    return subprocess.run(call, capture_output=True, text=True, check=True, timeout=5).stdout
