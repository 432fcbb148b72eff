"""A small training on the device, with everything it leaves behind."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import htmu_diag

STEPS = 8


def model(dropout: float = 0.2) -> nn.Module:
    image = (nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten())
    return nn.Sequential(*image, nn.Dropout(dropout), nn.Linear(6 * 64, 32), nn.Tanh(), nn.Linear(32, 4)).cuda()


def batches() -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [(torch.randn(32, 64, device="cuda"), torch.randint(4, (32,), device="cuda")) for _ in range(STEPS)]


def trained(
    watching: Callable[..., Any], *, compiled: bool | str = False, amp: bool = False, scaler: bool = False
) -> Any:
    torch.manual_seed(3)
    random.seed(3)
    np.random.seed(3)  # noqa: NPY002
    torch._dynamo.reset()
    dropout = 0.0 if isinstance(compiled, str) else 0.2  # masks in replayed graphs differ between two equal trainings
    net, data, losses = model(dropout), batches(), []
    run = torch.compile(net, mode=compiled if isinstance(compiled, str) else None) if compiled else net
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2, fused=True)
    scale = torch.amp.GradScaler("cuda", enabled=scaler)
    with watching(run, optimizer, data[0]):
        for inputs, targets in data:
            optimizer.zero_grad()
            with torch.autocast("cuda", dtype=torch.float16 if scaler else torch.bfloat16, enabled=amp or scaler):
                loss = F.cross_entropy(run(inputs), targets)
            scale.scale(loss).backward()
            scale.step(optimizer)
            scale.update()
            losses.append(loss.item())
    return {
        "losses": losses,
        "model": net.state_dict(),
        "gradients": [parameter.grad for parameter in net.parameters()],
        "optimizer": optimizer.state_dict(),
        "cpu generator": torch.get_rng_state(),
        "cuda generator": torch.cuda.get_rng_state(),
        "numpy": torch.from_numpy(np.random.get_state()[1].astype(np.int64)),  # type: ignore[union-attr, index] # noqa: NPY002
        "python": hash(random.getstate()),
        "precision": hash((torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32)),
    }


def unwatched(*_: object) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext()


def watched(folder: Path, *probes: Any, **choices: Any) -> Callable[..., Any]:
    def watching(net: nn.Module, optimizer: torch.optim.Optimizer, data: tuple[Any, ...]) -> Any:
        given = {"every": 2, "strict": True, "loss_fn": F.cross_entropy, "batch": data, **choices}
        return htmu_diag.watch(net, optimizer, log_dir=folder, probes=probes, **given)

    return watching
