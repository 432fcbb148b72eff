"""python -m benchmarks.curvature_cost [--models mlp lenet resnet transformer] [--small]

Cost of a 64-step spectral density, one probe, in gradients of the same batch (CPU time, one thread): ours and
PyHessian, curvlinops and hessian-eigenthings where they are installed (in PyTorch's math kernel for attention, without
which they raise); what one product costs beside the floor, double backward through a kept graph and nothing else; and
what the Lanczos algebra adds. With --small: CPU time at equal accuracy, on the networks of curvature_accuracy.

All tools are timed with memory at hand: a virtual machine may give free memory back to its host, and then the first
touch of 150 MB took 180 to 340 ms of CPU time here instead of 17, every second time.
"""

from __future__ import annotations

import argparse
import copy
import functools
import importlib.util
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import cross_entropy

from benchmarks.common import cpu_seconds, in_child, record
from benchmarks.curvature_accuracy import curvlinops_rule, eigenthings_rule, ours, problem, pyhessian_rule
from htmu_diag.operators.base import as_columns
from htmu_diag.operators.hessian import HessianOperator
from htmu_diag.solvers.density import spectral_density
from htmu_diag.spectrum import Kind, Source

# (activation, trained) -> our products that reach the best public error, measured by benchmarks.curvature_accuracy
EQUAL_PRODUCTS = {("relu", True): 24, ("relu", False): 48, ("tanh", True): 40, ("tanh", False): 48}
PEERS = {"pyhessian": pyhessian_rule, "curvlinops": curvlinops_rule, "hessian_eigenthings": eigenthings_rule}


class Transformer(nn.Module):
    """Two pre-norm layers of width 64 on sequences of 32 tokens, 10 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(100, 64)
        layer = nn.TransformerEncoderLayer(64, 4, 128, dropout=0.0, batch_first=True, norm_first=True)
        self.encoder, self.head = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(64, 10)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.encoder(self.embed(tokens)).mean(1))
        return logits


def convolution(inputs: int, outputs: int, *, pool: bool = False) -> nn.Sequential:
    layers = [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers, *([nn.MaxPool2d(2)] if pool else []))


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(convolution(width, width), convolution(width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.as_tensor(self.body(x))


def mlp() -> tuple[nn.Module, torch.Tensor]:
    layers = [nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)]
    return nn.Sequential(*layers), torch.randn(256, 784)


def lenet() -> tuple[nn.Module, torch.Tensor]:
    features = [nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)]
    classifier = [nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)]
    return nn.Sequential(*features, *classifier), torch.randn(128, 3, 32, 32)


def resnet() -> tuple[nn.Module, torch.Tensor]:
    features = [convolution(3, 16), convolution(16, 32, pool=True), Residual(32), convolution(32, 64, pool=True)]
    classifier = [nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(128, 10)]
    net = nn.Sequential(*features, convolution(64, 128, pool=True), Residual(128), *classifier)
    return net, torch.randn(32, 3, 32, 32)


def transformer() -> tuple[nn.Module, torch.Tensor]:
    return Transformer(), torch.randint(100, (64, 32))


PROBLEMS: dict[str, Callable[[], tuple[nn.Module, torch.Tensor]]] = {
    "mlp": mlp,
    "lenet": lenet,
    "resnet": resnet,
    "transformer": transformer,
}


def gradient_cost(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> float:
    parameters = list(model.parameters())
    return cpu_seconds(lambda: torch.autograd.grad(cross_entropy(model(batch[0]), batch[1]), parameters))


def have_memory_at_hand(megabytes: int = 400) -> None:
    """Have the system hold this much memory that is free and was touched a moment ago."""
    np.empty(megabytes << 20, np.uint8).fill(1)


def spent(call: Callable[[], Any]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def product_costs(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> tuple[float, float]:
    """CPU seconds of a product of ours, and of the floor: double backward through a kept graph; one after the other."""
    operator = HessianOperator(model, cross_entropy, batch)
    v = torch.randn(operator.shape[0])
    with sdpa_kernel(SDPBackend.MATH):
        graph = torch.autograd.grad(cross_entropy(model(batch[0]), batch[1]), operator.parameters, create_graph=True)
        pieces = operator._pieces(v)
        found: list[list[float]] = [[], []]
        for _ in range(15):
            found[0].append(spent(lambda: operator.matvec(v)))
            found[1].append(spent(lambda: torch.autograd.grad(graph, operator.parameters, pieces, retain_graph=True)))
    return statistics.median(found[0]), statistics.median(found[1])


class Timed:
    """An operator that adds up the CPU seconds of its products, the graph included."""

    def __init__(self, operator: HessianOperator) -> None:
        self.operator, self.seconds = operator, 0.0
        self.shape, self.dtype, self.device = operator.shape, operator.dtype, operator.device

    def matvec(self, vector: torch.Tensor) -> torch.Tensor:
        start = time.process_time()
        product = self.operator.matvec(vector)
        self.seconds += time.process_time() - start
        return product

    def matmat(self, columns: torch.Tensor) -> torch.Tensor:
        return as_columns(self, columns)


def density(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor], policy: Any) -> tuple[float, float]:
    """CPU seconds of a 64-product density, and the share that is not products."""
    have_memory_at_hand()
    start = time.process_time()
    operator = Timed(HessianOperator(model, cross_entropy, batch))
    source = Source(Kind.HESSIAN, "model", operator.shape)
    spectral_density(operator, source, steps=64, probes=1, reorthogonalize=policy)
    whole = time.process_time() - start
    return whole, whole / operator.seconds - 1


def peak_mb(name: str, tool: str) -> float:
    """Peak memory of one density, in a process of its own."""
    return float(in_child("benchmarks.curvature_memory", name, tool)["peak"])


def rows(name: str) -> list[list[object]]:
    torch.manual_seed(0)
    model, inputs = PROBLEMS[name]()
    model.eval()
    batch = inputs, torch.randint(10, (len(inputs),))
    size = sum(p.numel() for p in model.parameters())
    found: list[list[object]] = []

    def peer(rule: Any) -> float:
        have_memory_at_hand()
        with sdpa_kernel(SDPBackend.MATH):
            seconds = spent(lambda: rule(HessianOperator(copy.deepcopy(model), cross_entropy, batch), 64, 1, 0))
        return seconds / gradient_cost(model, batch)

    for policy in ("selective", "none", "full"):
        runs = [(*density(model, batch, policy), gradient_cost(model, batch)) for _ in range(5)]
        whole = statistics.median(seconds / unit for seconds, _, unit in runs)
        product, floor, unit = (*product_costs(model, batch), gradient_cost(model, batch))
        algebra = f"{100 * statistics.median(share for _, share, _ in runs):.0f} %"
        costs = [product / unit, product / floor, whole, algebra, peak_mb(name, policy)]
        found.append([name, size, f"htmu_diag, {policy}", *costs])
    for tool, rule in PEERS.items():
        if importlib.util.find_spec(tool):
            cost = statistics.median(peer(rule) for _ in range(3))
            found.append([name, size, tool, "", "", cost, "", peak_mb(name, tool)])
    return found


def equal_accuracy(activation: str, trained: bool, products: int, repeats: int = 5) -> list[list[object]]:
    """CPU milliseconds of each public tool at 64 x 4 products and of ours at ``products``, one after the other."""
    net, batch = problem(activation, trained)
    calls: dict[str, Callable[[], Any]] = {
        tool: functools.partial(rule, HessianOperator(net, cross_entropy, batch), 64, 4, 0)
        for tool, rule in PEERS.items()
        if importlib.util.find_spec(tool)
    }
    calls["htmu_diag"] = lambda: ours(HessianOperator(net, cross_entropy, batch), products, 1, 0)
    times: dict[str, list[float]] = {name: [] for name in calls}
    for name in [name for _ in range(repeats) for name in calls]:
        times[name].append(1e3 * spent(calls[name]))
    median = {name: statistics.median(values) for name, values in times.items()}
    mine = median.pop("htmu_diag")
    case = f"{activation}, {'trained' if trained else 'initial'}"
    return [[case, tool, value, products, mine, value / mine] for tool, value in median.items()]


COST = [
    "network",
    "parameters",
    "tool",
    "gradients a product",
    "over the floor",
    "gradients, 64 steps",
    "algebra",
    "peak, MB",
]
EQUAL = ["network", "public tool", "ms, 64 x 4 products", "our products", "ms", "times cheaper"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="*", default=["mlp", "lenet", "resnet", "transformer"])
    parser.add_argument("--small", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.small:
        equal = [row for case, products in EQUAL_PRODUCTS.items() for row in equal_accuracy(*case, products)]
        note = "CPU time of a density, one thread, median of 5, 2,426 parameters; ours as accurate as the best public."
        record("Curvature: cost at equal accuracy", EQUAL, equal, note)
        return
    found: list[list[object]] = []
    for name in arguments.models:
        found += rows(name)
        note = "CPU time, one thread, in gradients of the same batch; medians of 5 (ours) and 3, with memory at hand."
        record("Curvature: cost of a density", COST, found, note)


if __name__ == "__main__":
    main()
