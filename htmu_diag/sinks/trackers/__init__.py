"""Sinks for the trackers that people look at already: Weights & Biases, trackio, MLflow, and the loggers of Lightning.

A spectrum is diagnosed off the training thread, so its numbers come after the training has logged later steps. Each
tracker has its own trap for such a record; here none of them costs the training a step of its own:

    wandb      one counter for all that is logged: a second run in the same group, or one record merged a step
    trackio    `init` ends the run before it: a second run in the same project and group, out of the first one's sight
    mlflow     takes steps in any order: the active run where there is one, else one of its own
    lightning  loggers belong to the training thread: numbers wait for the end of a batch

No package is imported before its sink is made.
"""

from htmu_diag.sinks.trackers.lightning import LoggerSink
from htmu_diag.sinks.trackers.mlflow import MLflowSink
from htmu_diag.sinks.trackers.trackio import TrackioSink
from htmu_diag.sinks.trackers.wandb import WandbSink, unseen_by_wandb

__all__ = ["LoggerSink", "MLflowSink", "TrackioSink", "WandbSink", "unseen_by_wandb"]
