"""Bundled models, data sets and one training loop."""

import htmu_diag.rich_import  # noqa: F401  first of all
from htmu_diag.training.loop import Outcome, Progress, train
from htmu_diag.training.session import run_session
from htmu_diag.training.state import State, initial_state

__all__ = ["Outcome", "Progress", "State", "initial_state", "run_session", "train"]
