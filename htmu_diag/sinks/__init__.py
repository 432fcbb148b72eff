"""Sinks: where diagnosed steps go: TensorBoard, a page of HTML, JSON lines, the console, memory.

``registry`` names the sinks that ``watch(sinks=[...])`` knows; each entry makes one for a run's folder. Installed
packages bring others, see `htmu_diag.plugins`.
"""

from collections.abc import Callable
from pathlib import Path

import htmu_diag.rich_import  # noqa: F401  first of all
from htmu_diag.sinks.base import Sink
from htmu_diag.sinks.console import ConsoleSink
from htmu_diag.sinks.jsonl import JSONLSink
from htmu_diag.sinks.memory import MemorySink
from htmu_diag.sinks.page import PageSink
from htmu_diag.sinks.tensorboard import TensorBoardSink

__all__ = ["ConsoleSink", "JSONLSink", "MemorySink", "PageSink", "Sink", "TensorBoardSink", "registry"]


def _lines(folder: Path) -> Sink:
    return JSONLSink(folder / "metrics.jsonl")


def _console(folder: Path) -> Sink:
    return ConsoleSink()


registry: dict[str, Callable[..., Sink]] = {
    "tensorboard": TensorBoardSink,
    "page": PageSink,
    "jsonl": _lines,
    "console": _console,
}
