"""Experiments: sweeps of runs with the control beside the claim, and metrics against performance."""

from htmu_diag.experiments.plan import Sweep, Unit, load_sweep
from htmu_diag.experiments.runner import Finished, run_sweep

__all__ = ["Finished", "Sweep", "Unit", "load_sweep", "run_sweep"]
