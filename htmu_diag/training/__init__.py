"""Bundled models, data sets and one training loop."""

from htmu_diag.training.loop import Outcome, Progress, train
from htmu_diag.training.session import run_session
from htmu_diag.training.state import State, initial_state

__all__ = ["Outcome", "Progress", "State", "initial_state", "run_session", "train"]
