"""Muon for the matrices of hidden layers and AdamW for everything else, as one optimizer.

torch.optim.Muon takes matrices only. With its "match_rms_adamw" adjustment both move entries by steps of one size, so
they share a learning rate and a weight decay.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from htmu_diag.errors import ConfigError

__all__ = ["MuonWithAdamW", "muon"]


class MuonWithAdamW(torch.optim.Optimizer):
    """Two optimizers with one list of groups and one state; groups: first Muon's, then AdamW's."""

    def __init__(
        self,
        matrices: list[nn.Parameter],
        others: list[nn.Parameter],
        *,
        lr: float,
        momentum: float,
        weight_decay: float,
    ) -> None:
        super().__init__([*matrices, *others], {"lr": lr})
        self._parts: list[torch.optim.Optimizer] = [
            torch.optim.Muon(
                matrices, lr=lr, momentum=momentum, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
            ),
            torch.optim.AdamW(others, lr=lr, weight_decay=weight_decay),
        ]
        self._join()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of both; the closure is called once."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self._parts:
            part.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        return {"parts": [part.state_dict() for part in self._parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for part, state in zip(self._parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self._join()

    def _join(self) -> None:
        """The groups of the parts are this optimizer's own, so that both see every change."""
        self.param_groups = [group for part in self._parts for group in part.param_groups]
        self.state = ChainMap(*(part.state for part in self._parts))  # type: ignore[assignment]  # read, never written


def muon(model: nn.Module, *, lr: float, momentum: float, weight_decay: float) -> torch.optim.Optimizer:
    """Muon over every matrix but embeddings and the last one, AdamW over the rest.

    Raises ConfigError for a torch without Muon and for a model without such a matrix.
    """
    if not hasattr(torch.optim, "Muon"):
        raise ConfigError(f"optimizer.name: muon needs torch 2.9, this is {torch.__version__}; choose sgd or adamw")
    embeddings = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    matrices = [p for p in model.parameters() if p.ndim == 2 and id(p) not in embeddings][:-1]
    if not matrices:
        raise ConfigError("optimizer.name: muon needs a matrix before the last layer; choose adamw")
    chosen = {id(parameter) for parameter in matrices}
    others = [parameter for parameter in model.parameters() if id(parameter) not in chosen]
    return MuonWithAdamW(matrices, others, lr=lr, momentum=momentum, weight_decay=weight_decay)
