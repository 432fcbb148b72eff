"""The one training loop: batches, updates, evaluation, checkpoints, and the monitor's two lines.

A batch, a learning rate and a shift of an image depend on (seed, step) only; with the optimizer's and the generators'
state in the checkpoint, a resumed run is bit-identical to an uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from htmu_diag.analysis import StepRecord
from htmu_diag.config import MonitorConfig, TrainConfig, to_yaml, used
from htmu_diag.errors import StorageError
from htmu_diag.files import storage_errors, write_atomically
from htmu_diag.monitor import Monitor, watch
from htmu_diag.monitor.plan import Plan
from htmu_diag.sinks import PageSink, TensorBoardSink
from htmu_diag.sinks.chosen import SinkLike
from htmu_diag.storage import run_info
from htmu_diag.training.checkpoints import latest_checkpoint, load_checkpoint, save_checkpoint
from htmu_diag.training.interruption import Interruption
from htmu_diag.training.objective import Scores, accuracy, cross_entropy, evaluate
from htmu_diag.training.optimizers import learning_rate, set_learning_rate
from htmu_diag.training.state import State, initial_state

__all__ = ["Outcome", "Progress", "train"]


@dataclass(frozen=True)
class Progress:
    """Where a run stands: steps taken, and the newest scores (None before the first ones)."""

    step: int
    train: Scores | None = None
    test: Scores | None = None


@dataclass(frozen=True)
class Outcome:
    """What a run ends with.

    record: the last diagnosed step. step: optimizer steps taken. test: the last scores on held-out data.
    checkpoint: the newest one. interrupted: stopped by Ctrl-C, saved, and ready for ``--resume``.
    """

    record: StepRecord | None
    step: int
    test: Scores | None
    checkpoint: Path
    interrupted: bool = False


def train(
    config: TrainConfig, out: Path, *, resume: bool = False, report: Callable[[Progress], None] = lambda progress: None
) -> Outcome:
    """Run a configuration; spectra, TensorBoard events, config.yaml and checkpoints go to the folder ``out``.

    report: called after every step. Raises ConfigError for what the configuration cannot mean on this machine,
    StorageError for an occupied folder.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    Plan.of(
        config.monitor.probes, config.monitor.every, config.monitor.settings
    )  # a wrong probe is refused before a folder is made
    state = initial_state(config)
    checkpoints = out / "checkpoints"
    if resume:
        load_checkpoint(latest_checkpoint(checkpoints), state, config)
    else:
        _begin_folder(out, config)
    set_learning_rate(state.optimizer, learning_rate(config.optimizer, state.step, config.steps))  # of the first step
    with Interruption() as interruption, _watch(state, config, out) as monitor:
        progress = _run(state, config, monitor, checkpoints, interruption, report)
        checkpoint = save_checkpoint(checkpoints, state, config)
        record = monitor.snapshot()
    return Outcome(record, state.step, progress.test, checkpoint, interrupted=state.step < config.steps)


def _run(
    state: State,
    config: TrainConfig,
    monitor: Monitor,
    checkpoints: Path,
    interruption: Interruption,
    report: Callable[[Progress], None],
) -> Progress:
    """Steps until the last one or an interruption."""
    progress = Progress(state.step)
    if state.step == 0:
        progress = _evaluated(state, config, monitor, progress)
    report(progress)
    while state.step < config.steps and not interruption.wanted:
        progress = _step(state, config, monitor, progress)
        if state.step % config.evaluate_every == 0 or state.step == config.steps:
            progress = _evaluated(state, config, monitor, progress)
        if config.checkpoint.every and state.step % config.checkpoint.every == 0:
            monitor.flush()  # what a checkpoint follows is stored before it, so that a resumed run has no hole
            save_checkpoint(checkpoints, state, config)
        report(progress)
    return progress


def _step(state: State, config: TrainConfig, monitor: Monitor, progress: Progress) -> Progress:
    """One update; the loss is logged with the number of the step that it led to."""
    rate = learning_rate(config.optimizer, state.step, config.steps)
    set_learning_rate(state.optimizer, rate)
    inputs, targets = state.data.batch(state.step, config.data.batch_size, config.seed)
    with torch.autocast(state.device.type, torch.bfloat16, enabled=config.dtype == "bfloat16"):
        logits = state.model(inputs)
        loss = cross_entropy(logits, targets)
    state.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    if config.optimizer.clip:
        torch.nn.utils.clip_grad_norm_(state.model.parameters(), config.optimizer.clip)
    state.optimizer.step()
    state.step += 1
    if state.step % config.log_every and state.step != 1 and state.step != config.steps:
        return Progress(state.step, progress.train, progress.test)
    scores = Scores(loss.item(), accuracy(logits, targets).item())
    numbers = {"train/loss": scores.loss, "train/accuracy": scores.accuracy, "train/learning_rate": rate}
    monitor.log(numbers, state.step)
    return Progress(state.step, scores, progress.test)


def _evaluated(state: State, config: TrainConfig, monitor: Monitor, progress: Progress) -> Progress:
    scores = evaluate(state.model, state.data.test_batches(max(256, config.data.batch_size)))
    monitor.log({"test/loss": scores.loss, "test/accuracy": scores.accuracy}, state.step)
    return Progress(progress.step, progress.train, scores)


def _watch(state: State, config: TrainConfig, out: Path) -> Monitor:
    chosen = config.monitor
    return watch(
        state.model,
        state.optimizer,
        log_dir=out,
        every=chosen.every,
        probes=chosen.probes,
        batch=state.data.test_batches(chosen.batch)[0] if chosen.held_out else state.data.head(chosen.batch),
        loss_fn=cross_entropy,
        include=chosen.include,
        budget=chosen.budget or None,
        strict=chosen.strict,
        options=chosen.diagnosis(),
        sinks=_sinks(chosen, out),
        usual_sinks=False,
        settings=chosen.settings,
        run_info=run_info(used(config), seed=config.seed),
        start_step=state.step,
        on_exists="continue",  # this folder is known to be this run's
        batch_size=config.data.batch_size,
        seed=config.seed,
        verbose=False,  # the session shows more
    )


def _sinks(chosen: MonitorConfig, out: Path) -> list[SinkLike]:
    """TensorBoard and the page, which is announced at the end of the run, unless they are left out or named."""
    usual: dict[str, SinkLike] = {"tensorboard": TensorBoardSink(out), "page": PageSink(out)}
    joined = [sink for name, sink in usual.items() if chosen.tensorboard and name not in chosen.sinks]
    return [*joined, *chosen.sinks]


def _begin_folder(out: Path, config: TrainConfig) -> None:
    """Make the run's folder with its config.yaml; an occupied one is refused, nothing is overwritten."""
    if out.exists() and not out.is_dir():
        raise StorageError(f"{out} is a file; name a folder")
    with storage_errors("make", out):
        out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        raise StorageError(f"{out} is not empty; name another folder, or resume that run")
    write_atomically(out / "config.yaml", to_yaml(config).encode())
