"""The static files of the views, and the modules in the order in which they import each other."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

__all__ = ["MODULES", "read_static", "static_folder", "static_version"]

# every module after those that it imports; hosts follow the views
MODULES: tuple[str, ...] = (
    "vendor/uPlot.esm.js",
    "format.js",
    "colors.js",
    "laws.js",
    "frame.js",
    "words.js",
    "state.js",
    "others.js",
    "dom.js",
    "wire.js",
    "chart.js",
    "heatmap.js",
    "firsts.js",
    "fitted.js",
    "spectrum.js",
    "history.js",
    "curves.js",
    "scatter.js",
    "prediction.js",
    "causes.js",
    "compare.js",
    "load.js",
    "path.js",
    "table.js",
    "help.js",
    "controls.js",
    "app.js",
)


def static_folder() -> Path:
    """Where the files lie."""
    return Path(__file__).parent / "static"


@functools.cache
def static_version() -> str:
    """Of all files together: an address that holds it stays true, so that a browser may keep what lies there."""
    files = sorted(path for path in static_folder().rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]


def read_static(name: str) -> str:
    """One of them as text."""
    return (static_folder() / name).read_text(encoding="utf-8")
