"""What ``watch`` may be given, looked at before a folder is made or locked, and what others call its arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from htmu_diag.analysis import Options
from htmu_diag.arguments import FLAG, PATH, Rule, having, instance, one_of, optional, several, whole

__all__ = ["CALLED", "TAKEN"]

_VALUES = instance('plain values by their names, as {"lr": 0.1}', Mapping)


def _settings(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(one, Mapping) for one in value.values())


TAKEN = {
    "optimizer": optional(having("a torch.optim.Optimizer", "step")),
    "optimizers": several("a list of optimizers", "step"),
    "log_dir": optional(Rule("the path of a folder (of a SummaryWriter: its log_dir)", PATH.holds)),
    "loss_fn": optional(Rule("a function of outputs and targets, as torch.nn.functional.cross_entropy", callable)),
    "output": Rule("a function of what the model returns", callable),
    "loss_reduction": optional(one_of("mean", "sum")),
    "options": optional(instance("htmu_diag.Options(...)", Options)),
    "strict": FLAG,
    "config": optional(_VALUES),
    "run_info": optional(_VALUES),
    "usual_sinks": optional(FLAG),
    "settings": optional(Rule('arguments by probe, as {"ntk": {"samples": 100}}', _settings)),
    "start_step": whole(0, 2**62),
    "batch_size": optional(whole(1)),
    "seed": whole(0, 2**63),
    "team": optional(having("a team of htmu_diag.integrations.distributed", "share")),
    "verbose": FLAG,
}

# what others call an argument
CALLED = {
    "logdir": "log_dir",
    "output_dir": "log_dir",
    "out": "log_dir",
    "dir": "log_dir",
    "save_dir": "log_dir",
    "run_dir": "log_dir",
    "logging_dir": "log_dir",
    "writer": "log_dir",
    "summary_writer": "log_dir",
    "interval": "every",
    "frequency": "every",
    "freq": "every",
    "log_every": "every",
    "log_freq": "every",
    "log_interval": "every",
    "log_every_n_steps": "every",
    "logging_steps": "every",
    "loss": "loss_fn",
    "criterion": "loss_fn",
    "data": "batch",
    "inputs": "batch",
    "layers": "include",
    "names": "include",
    "parameters": "include",
    "measurements": "probes",
    "metrics": "probes",
    "resume": "start_step",
    "step": "start_step",
    "global_step": "start_step",
    "hparams": "config",
    "hyperparameters": "config",
    "logger": "sinks",
    "loggers": "sinks",
    "overwrite": "on_exists",
    "exist_ok": "on_exists",
    "quiet": "verbose",
    "silent": "verbose",
}
