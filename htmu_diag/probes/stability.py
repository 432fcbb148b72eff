"""Learning rate times sharpness, scaled so that 2 is the edge of stability whatever the optimizer.

Gradient descent on a quadratic of curvature lambda is stable for lr lambda < 2; with momentum beta for lr lambda < 2 (1
+ beta); Adam, whose second moments v stand still meanwhile, for lr lambda_P < 2 (1 + beta1)/(1 - beta1), lambda_P the
largest eigenvalue of P^-1/2 H P^-1/2, P = sqrt(v / (1 - beta2^t)) + eps (Cohen et al. 2021, 2022). The number is the
left side over that factor.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from htmu_diag.operators.base import Operator, as_columns
from htmu_diag.operators.model_operator import ModelOperator
from htmu_diag.probes.base import StepContext
from htmu_diag.solvers.eigenpairs import top_k

__all__ = ["Preconditioned", "stability"]

PRODUCTS = 40  # of the preconditioned operator, at most: its largest eigenvalue to about a per cent


class Preconditioned:
    """S A S with S diagonal: scale (N,) positive."""

    def __init__(self, operator: Operator, scale: torch.Tensor) -> None:
        self.operator, self.scale = operator, scale
        self.shape, self.dtype, self.device = operator.shape, operator.dtype, operator.device

    def matvec(self, vector: torch.Tensor) -> torch.Tensor:
        return self.scale * self.operator.matvec(self.scale * vector)

    def matmat(self, columns: torch.Tensor) -> torch.Tensor:
        return as_columns(self, columns)


def stability(
    operator: ModelOperator,
    largest: float,
    context: StepContext,
    of_all_ranks: Callable[[ModelOperator], Operator],
    model: torch.nn.Module,
) -> dict[str, float]:
    """``stability`` of the watched optimizer; empty without one, and for one that is neither SGD nor Adam's kin.

    largest: the largest eigenvalue of the operator, where SGD needs no more. of_all_ranks: what the solver is given.
    """
    optimizer = context.optimizer
    if optimizer is None or not math.isfinite(largest):
        return {}
    group = optimizer.param_groups[0]
    rate = float(group["lr"])
    if isinstance(optimizer, torch.optim.SGD):
        return {"stability": rate * largest / (1 + float(group.get("momentum", 0.0)))}
    if not isinstance(optimizer, (torch.optim.Adam, torch.optim.AdamW)):
        return {}
    scale = _adam_scale(operator, optimizer, model)
    if scale is None:
        return {}
    rng = torch.Generator().manual_seed(context.seed)
    found = top_k(
        Preconditioned(of_all_ranks(operator), scale), 1, rng=rng, tolerance=1e-2, max_products=PRODUCTS
    ).values
    beta = float(group["betas"][0])
    return {"stability": rate * float(found[0]) * (1 - beta) / (1 + beta)}


def _adam_scale(
    operator: ModelOperator, optimizer: torch.optim.Optimizer, model: torch.nn.Module
) -> torch.Tensor | None:
    """P^-1/2 in the order of the operator's flat vector; None before the first step, or where a state is missing."""
    parameters = dict(model.named_parameters())
    options = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    parts: list[torch.Tensor] = []
    for name in operator.names:
        parameter = parameters.get(name)
        state: dict[str, Any] = optimizer.state.get(parameter, {}) if parameter is not None else {}
        if "exp_avg_sq" not in state or id(parameter) not in options:
            return None
        group = options[id(parameter)]
        seen = 1 - float(group["betas"][1]) ** float(state["step"])
        scale = (state["exp_avg_sq"].detach() / seen).sqrt() + float(group["eps"])
        parts.append(scale.rsqrt().reshape(-1))
    return torch.cat(parts).to(operator.dtype)
