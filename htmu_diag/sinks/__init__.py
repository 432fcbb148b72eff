"""Sinks: where diagnosed steps go: TensorBoard, a page of HTML, JSON lines, the console, memory."""

import htmu_diag.rich_import  # noqa: F401  first of all
from htmu_diag.sinks.base import Sink
from htmu_diag.sinks.console import ConsoleSink
from htmu_diag.sinks.jsonl import JSONLSink
from htmu_diag.sinks.memory import MemorySink
from htmu_diag.sinks.page import PageSink
from htmu_diag.sinks.tensorboard import TensorBoardSink

__all__ = ["ConsoleSink", "JSONLSink", "MemorySink", "PageSink", "Sink", "TensorBoardSink"]
