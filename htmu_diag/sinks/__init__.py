"""Sinks: where diagnosed steps go: TensorBoard, a page of HTML, JSON lines, the console, memory, and other trackers.

``registry`` names the sinks that ``watch(sinks=[...])`` knows; each entry makes one for a run's folder. Installed
packages bring others, see `htmu_diag.plugins`.
"""

from collections.abc import Callable
from pathlib import Path

import htmu_diag.rich_import  # noqa: F401  first of all
from htmu_diag.errors import InputError
from htmu_diag.sinks.base import Sink
from htmu_diag.sinks.console import ConsoleSink
from htmu_diag.sinks.jsonl import JSONLSink
from htmu_diag.sinks.memory import MemorySink
from htmu_diag.sinks.page import PageSink
from htmu_diag.sinks.tensorboard import TensorBoardSink
from htmu_diag.sinks.trackers import LoggerSink, MLflowSink, TrackioSink, WandbSink

__all__ = [
    "ConsoleSink",
    "JSONLSink",
    "LoggerSink",
    "MLflowSink",
    "MemorySink",
    "PageSink",
    "Sink",
    "TensorBoardSink",
    "TrackioSink",
    "WandbSink",
    "registry",
]


def _lines(folder: Path) -> Sink:
    return JSONLSink(folder / "metrics.jsonl")


def _console(folder: Path) -> Sink:
    return ConsoleSink()


def _lightning(folder: Path) -> Sink:
    raise InputError(
        "the sink 'lightning' gives its numbers to a Trainer's loggers, and there is no Trainer here; "
        "name it in SpectraCallback(sinks=[...]), or pass LoggerSink(logger)"
    )


registry: dict[str, Callable[..., Sink]] = {
    "tensorboard": TensorBoardSink,
    "page": PageSink,
    "jsonl": _lines,
    "console": _console,
    "wandb": WandbSink,
    "trackio": TrackioSink,
    "mlflow": MLflowSink,
    "lightning": _lightning,
}
