"""Does the kernel's prediction say anything about the network's own learning curve?

Networks are trained on n digits and tested on the same held-out ones; the tangent kernel before training, and that of
the network trained on most samples, predict a curve of their own from held-out samples that no network has seen.
"""

from __future__ import annotations

import numpy as np
import torch

from htmu_diag.experiments.studies.common import all_digits, one_hot, tangent_kernel, trained_network
from htmu_diag.experiments.work import Outcome
from htmu_diag.theory.learning_curve import learning_curve, power_law_slope

__all__ = ["network_curve"]

HELD_OUT = 190  # test samples: 1,797 digits leave 1,600 to train on


def network_curve(
    *,
    seed: int,
    model: str = "mlp",
    loss: str = "squared",
    sizes: tuple[int, ...] = (50, 100, 200, 400, 800, 1600),
    steps: int = 1500,
    lr: float = 0.02,
    probe: int = 1600,
) -> Outcome:
    """Numbers: exponents of the network and of both predictions, and the ratio of network to prediction at each end.

    probe: samples behind the prediction of the fresh kernel; that of the trained kernel has the held-out ones only.
    """
    inputs, targets = all_digits(seed)
    tests, train_inputs, train_targets = slice(0, HELD_OUT), inputs[HELD_OUT:], targets[HELD_OUT:]
    counts = np.array([n for n in sizes if n <= len(train_inputs)], dtype=np.float64)
    squared, wrong = [], []
    for n in map(int, counts):
        network = trained_network(
            model, train_inputs[:n], train_targets[:n], steps=steps, lr=lr, loss=loss, seed=seed, batch=64
        )
        with torch.no_grad():
            outputs = network(inputs[tests])
        squared.append(float((outputs - one_hot(targets[tests])).square().sum(1).mean()))
        wrong.append(float((outputs.argmax(1) != targets[tests]).float().mean()))
    return _compared(seed, model, counts, np.array(squared), np.array(wrong), inputs, targets, probe, network)


def _compared(
    seed: int,
    model: str,
    counts: np.ndarray,
    squared: np.ndarray,
    wrong: np.ndarray,
    inputs: torch.Tensor,
    targets: torch.Tensor,
    probe: int,
    last: torch.nn.Module,
) -> Outcome:
    fresh = trained_network(model, inputs[:1], targets[:1], steps=0, lr=0.0, seed=seed)
    below = [int(n) for n in counts if n <= probe // 2]
    before = learning_curve(tangent_kernel(fresh, inputs[:probe]), one_hot(targets[:probe]).numpy(), below, blocks=0)
    few = [20, 30, 50, 80]
    held = slice(0, HELD_OUT)
    after = learning_curve(tangent_kernel(last, inputs[held]), one_hot(targets[held]).numpy(), few, blocks=0)
    shared = len(below)
    numbers = {
        "exponent/network": power_law_slope(counts, squared),
        "exponent/network_wrong": power_law_slope(counts, wrong),
        "exponent/kernel_before": before.exponent,
        "exponent/kernel_after": after.exponent,
        "exponent/network_shared": power_law_slope(counts[:shared], squared[:shared]),
        "ratio/first": float(squared[0] / before.test_error[0]),
        "ratio/last": float(squared[shared - 1] / before.test_error[-1]),
        "error/last": float(squared[-1]),
        "wrong/last": float(wrong[-1]),
    }
    curves = {
        "network": list(zip(counts.tolist(), squared.tolist(), strict=True)),
        "network_wrong": list(zip(counts.tolist(), wrong.tolist(), strict=True)),
        "kernel_before": list(zip(map(float, below), before.test_error.tolist(), strict=True)),
        "kernel_after": list(zip(map(float, few), after.test_error.tolist(), strict=True)),
    }
    return Outcome(numbers, curves)
