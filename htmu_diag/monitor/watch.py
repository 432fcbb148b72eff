"""The two added lines of a training script."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch

from htmu_diag.analysis import Options, declare
from htmu_diag.arguments import checked, globs_of
from htmu_diag.counting.counter import inner_optimizer
from htmu_diag.model.wrappers import unwrap
from htmu_diag.monitor.assembly import run_content, team_of
from htmu_diag.monitor.monitor import Monitor
from htmu_diag.monitor.plan import Cadence, Plan, ProbeLike
from htmu_diag.monitor.watched import as_batch, check_model, one_model
from htmu_diag.nearest import answering
from htmu_diag.operators.batches import Reduction
from htmu_diag.operators.sample_function import Output, pick_output
from htmu_diag.probes import Budget, LossFn, StepContext, stored_samples
from htmu_diag.ranks.team import Team
from htmu_diag.recording.complaints import Complaints
from htmu_diag.recording.place import Place
from htmu_diag.recording.probe_batch import copied
from htmu_diag.recording.recorder import Recorder
from htmu_diag.recording.starts import keep_starts
from htmu_diag.recording.temperature import temperature_of
from htmu_diag.sinks import Sink, TensorBoardSink
from htmu_diag.sinks.chosen import SinkLike
from htmu_diag.storage.run_folder import OnExists
from htmu_diag.undisturbed import undisturbed
from htmu_diag.voice.taken import CALLED, TAKEN
from htmu_diag.voice.voice import Voice
from htmu_diag.warned import warn

__all__ = ["watch"]


@answering(CALLED)
@checked(**TAKEN)
@undisturbed()
def watch(
    model: torch.nn.Module | Sequence[torch.nn.Module] | Mapping[str, torch.nn.Module],
    optimizer: torch.optim.Optimizer | None = None,
    *,
    optimizers: Sequence[torch.optim.Optimizer] = (),
    log_dir: str | os.PathLike[str] | None = None,
    every: Cadence = 100,
    probes: Sequence[ProbeLike] = ("weights",),
    batch: tuple[Any, Any] | Mapping[str, Any] | None = None,
    loss_fn: LossFn | None = None,
    output: Output = pick_output,
    loss_reduction: Reduction | None = None,
    include: Sequence[str] = (),
    options: Options | None = None,
    budget: float | None = None,
    strict: bool = False,
    config: Mapping[str, Any] | None = None,
    run_info: Mapping[str, Any] | None = None,
    sinks: Sequence[SinkLike] | None = None,
    usual_sinks: bool | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    start_step: int = 0,
    on_exists: OnExists = "new",
    batch_size: int | None = None,
    seed: int = 0,
    team: Team | None = None,
    verbose: bool = True,
) -> Monitor:
    """Measure the spectra of a model while it trains, from now until the monitor is closed or the process ends.

    model: a module, or several in a list or dict. optimizer: the one whose steps count; without it, the first whose
        parameters are the model's.
    optimizers: all that train the model, where it is more than one: the first counts (or ``optimizer``), and a step is
        measured when each has stepped. Without it that is known after one round of them.
    log_dir: the run's folder: stored spectra (`htmu_diag.load_run`) and TensorBoard events; ``runs/<time>`` by default.
    on_exists: what to do where it holds a run and this one begins at step 0: "new" (it goes to ``<log_dir>-2`` and says
        so), "refuse", or "continue" (what is there is superseded: kept on disk, no longer shown).
    every: when to measure: k (every k steps, also at step 0), "log", a list of steps, a callable of the step, or a
        mapping from probe to one of these (100 for probes it does not name: well below the noise of most curves).
    probes: names in `htmu_diag.probes.registry` or of installed packages, or objects. settings: of those that are
        named: {"ntk": {"samples": 100}}.
    batch, loss_fn: fixed (inputs, targets), or a dict of keyword arguments with "labels", and ``loss_fn(outputs,
        targets) -> scalar`` for probes that need them. The batch is copied; the samples of it that kernel probes look
        at are stored with the run (`Run.probe_batch`).
    output: picks the tensor of outputs from what the model returns (default: itself, its ``logits``, the first).
    loss_reduction: "mean" or "sum"; by default what the loss says of itself, else "mean".
    include: globs on parameter names; empty means every matrix.
    options: of the diagnosis. seed: of the probes' own random numbers.
    budget: largest share of wall time spent measuring, such as 0.05; intervals stretch to keep it.
    strict: raise what goes wrong on the training thread at its next step; by default it is warned about once.
    config: the run's configuration as plain values, nested or not (learning rate, widths, ...): stored with the run,
        shown on TensorBoard's HParams page, and compared between runs.
    run_info: content of run.json, see `htmu_diag.storage.run_info`; its own "config" gives way to ``config``.
    sinks: where diagnosed steps go beside TensorBoard and the page ``report.html`` in ``log_dir``: objects, or names in
        `htmu_diag.sinks.registry` ("console", "jsonl", "wandb", "trackio", "mlflow"). None where it is empty.
    usual_sinks: False leaves TensorBoard and the page out; True keeps them also where ``sinks`` is empty.
    start_step: optimizer steps taken before; a resumed run continues its folder, and what was logged after
        this step is superseded.
    batch_size: samples in one optimizer step, over all ranks and accumulation steps, for the curve of lr over batch.

    team: None for all ranks where a torch.distributed job runs (every rank calls ``watch``, rank 0 writes), `Solo()`
        for this process alone. What ranks share, and where they wait: `htmu_diag.integrations.distributed`.

    verbose: say on stderr what is measured and where to look, what closing waits for, and the verdicts at the end.

    A folder that cannot be written is warned about and the training goes on. Raises StorageError where another monitor
    of this process writes the folder, or another process the one to continue; InputError for a URL as log_dir, an
    unknown probe, a missing batch, another model's optimizer, and for whatever an argument cannot be, before a folder
    is made.
    """
    complaints, whole = Complaints(strict), one_model(model)
    team = team_of(whole, team)
    several = [found for found in map(inner_optimizer, optimizers) if found is not None]
    context = StepContext(
        step=start_step,
        model=unwrap(whole),
        optimizer=inner_optimizer(optimizer) or next(iter(several), None),
        batch=copied(as_batch(batch)),
        loss_fn=loss_fn,
        output=output,
        loss_reduction=loss_reduction,
        include=globs_of(include),
        seed=seed,
        share=team.share,
    )
    plan = Plan.of(probes, every, settings)
    plan.require(_available(context))
    declare(plan.quantities)
    check_model(context, complaints)
    samples = stored_samples(context, [one.rows for one in plan.declared.values()])
    spending = Budget(budget if team.share.rank == 0 else None)  # rank 0 decides for all
    info = run_content(run_info, config, options, plan.quantities, seed)
    place = Place.of(log_dir, on_exists, start_step, team, (when for _, when in plan.entries))
    place, store, given = place.opened(info, samples, (sinks, usual_sinks), complaints)
    keep_starts(plan.probes, store, complaints)
    recorder = Recorder(store, given, options, team, complaints, spending)
    recorder.open(info, start_step)
    if place.reason and place.writes:
        warn(f"htmu_diag: {place.reason}")
        recorder.say(start_step, [place.reason], time.time())
    voice = Voice(place.folder, speaks=verbose and place.writes, stored=store is not None, curves=_draws(given))
    return Monitor(
        context,
        plan,
        recorder,
        team=team,
        budget=spending,
        complaints=complaints,
        optimizers=several,
        temperature=temperature_of(context.optimizer, batch_size, start_step, place.folder),
        voice=voice,
        begin=partial(voice.begin, context, plan.entries, place),
    )


def _draws(sinks: Sequence[Sink]) -> bool:
    return any(isinstance(sink, TensorBoardSink) for sink in sinks)


def _available(context: StepContext) -> list[Any]:
    return [name for name in ("model", "optimizer", "batch", "loss_fn") if getattr(context, name) is not None]
