"""The predicted learning curve of a network's tangent kernel beside regression with that kernel, on digits."""

from __future__ import annotations

import numpy as np

from htmu_diag.experiments.studies.common import all_digits, one_hot, tangent_kernel, trained_network
from htmu_diag.experiments.work import Outcome
from htmu_diag.theory.kernel_regression import kernel_regression_curve
from htmu_diag.theory.learning_curve import learning_curve

__all__ = ["kernel_curve"]


def kernel_curve(
    *, seed: int, model: str = "mlp", trained: bool = False, samples: int = 900, draws: int = 8, steps: int = 300
) -> Outcome:
    """Curves ``predicted`` and ``measured`` over n = 20 to samples/3 and both exponents.

    trained: the network has learned 300 other digits, which the kernel does not see.
    """
    inputs, targets = all_digits(seed)
    fresh, seen = slice(0, samples), slice(samples, samples + 300)
    network = trained_network(model, inputs[seen], targets[seen], steps=steps * trained, lr=0.02, seed=seed)
    kernel, wanted = tangent_kernel(network, inputs[fresh]), one_hot(targets[fresh]).numpy()
    sizes = [int(n) for n in np.unique(np.geomspace(20, samples // 3, 5).round())]
    predicted = learning_curve(kernel, wanted, sizes, blocks=0)
    measured = kernel_regression_curve(kernel, wanted, sizes, draws=draws, rng=np.random.default_rng(seed))
    ratios = predicted.test_error / measured.test_error
    numbers = {
        "ratio/least": float(ratios.min()),
        "ratio/most": float(ratios.max()),
        "exponent/predicted": predicted.exponent,
        "exponent/measured": measured.exponent,
        "exponent/difference": abs(predicted.exponent - measured.exponent),
    }
    curves = {
        "predicted": list(zip(map(float, sizes), predicted.test_error.tolist(), strict=True)),
        "measured": list(zip(map(float, sizes), measured.test_error.tolist(), strict=True)),
    }
    return Outcome(numbers, curves)
