"""Where the steps of a run go: TensorBoard and the page as usual, and what was asked for beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from htmu_diag import plugins
from htmu_diag.errors import InputError
from htmu_diag.sinks import PageSink, Sink, TensorBoardSink, registry
from htmu_diag.sinks.trackers import unseen_by_wandb
from htmu_diag.warned import warn

__all__ = ["SinkLike", "chosen_sinks"]

SinkLike = str | Sink
_USUAL = (TensorBoardSink, PageSink)


def chosen_sinks(folder: Path, sinks: Sequence[SinkLike] | None, usual: bool | None) -> list[Sink]:
    """The sinks of a run in this folder; a usual one that was passed takes the place of its own kind.

    sinks: names (`htmu_diag.sinks.registry`, or of installed packages) or objects. usual: whether the usual ones join
    them; by default unless ``sinks`` is empty. Raises InputError for an unknown name or another object.
    """
    wanted = [sinks] if isinstance(sinks, str) else list(sinks or ())
    for sink in wanted:
        _refuse_others(sink)
    given = [cast(Sink, plugins.made("sinks", s, registry, folder)) if isinstance(s, str) else s for s in wanted]
    for sink in given:
        _refuse_other_calls(sink)
    if usual is None:
        usual = sinks is None or bool(wanted)
    missing = [kind for kind in _USUAL if usual and not any(isinstance(sink, kind) for sink in given)]
    joined: dict[type, Sink] = {TensorBoardSink: TensorBoardSink(folder), PageSink: PageSink(folder)}
    if sentence := unseen_by_wandb(given):
        warn(f"htmu_diag: {sentence}")
    return [*(joined[kind] for kind in missing), *given]


def _refuse_others(sink: object) -> None:
    """Raises InputError for an object that is no sink, such as a writer of TensorBoard."""
    if isinstance(sink, type):
        raise InputError(f"sinks: {sink.__name__} is a class; pass an object of it: {sink.__name__}(...)")
    if isinstance(sink, str) or all(callable(getattr(sink, name, None)) for name in ("open", "write", "close")):
        return
    kind = type(sink).__name__
    if hasattr(sink, "log_metrics"):
        hint = f"wrap it: LoggerSink(your {kind}) of htmu_diag.sinks"
    elif hasattr(sink, "add_scalar"):
        hint = "TensorBoard gets everything in log_dir; pass log_dir=writer.log_dir and leave it out"
    else:
        hint = f"pass objects with open, write and close, or names: {', '.join(sorted(registry))}"
    raise InputError(f"sinks: {kind} is no sink; {hint}")


def _refuse_other_calls(sink: Sink) -> None:
    """InputError where a method cannot be called as a run calls it, which would be heard of in the middle of one."""
    takes = plugins.takes
    if not (takes(sink.open, {}, start_step=0) and takes(sink.write, None) and takes(sink.close)):
        calls = "open(run, *, start_step), write(record) and close()"
        raise InputError(f"sinks: {type(sink).__name__} does not take the calls of a sink; they are {calls}")
