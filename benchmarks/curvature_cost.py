"""python -m benchmarks.curvature_cost [--models mlp lenet resnet transformer]

Cost of a 64-step spectral density, one probe, in gradients of the same batch (CPU time, one thread): ours and
PyHessian, curvlinops and hessian-eigenthings where they are installed; and what one product costs.
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from benchmarks.common import cpu_seconds, peak_rss_mb, record
from benchmarks.curvature_accuracy import curvlinops_rule, eigenthings_rule, pyhessian_rule
from htmu_diag.operators.hessian import HessianOperator
from htmu_diag.solvers.density import spectral_density
from htmu_diag.spectrum import Kind, Source

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


def spent(call: Callable[[], Any]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def rows(name: str) -> list[list[object]]:
    torch.manual_seed(0)
    model, inputs = PROBLEMS[name]()
    model.eval()
    batch = inputs, torch.randint(10, (len(inputs),))
    unit = gradient_cost(model, batch)
    operator = HessianOperator(model, cross_entropy, batch)
    v = torch.randn(operator.shape[0])
    product = cpu_seconds(lambda: operator.matvec(v)) / unit
    source = Source(Kind.HESSIAN, "model", operator.shape)
    found: list[list[object]] = []
    for policy in ("selective", "none", "full"):
        whole = spent(
            lambda policy=policy: spectral_density(  # type: ignore[misc]
                HessianOperator(model, cross_entropy, batch), source, steps=64, probes=1, reorthogonalize=policy
            )
        )
        found.append([name, operator.shape[0], f"htmu_diag, {policy}", product, whole / unit, peak_rss_mb()])
    for tool, rule in PEERS.items():
        if importlib.util.find_spec(tool):
            twin = HessianOperator(copy.deepcopy(model), cross_entropy, batch)
            cost = spent(lambda rule=rule, twin=twin: rule(twin, 64, 1, 0))  # type: ignore[misc]
            found.append([name, operator.shape[0], tool, "", cost / unit, peak_rss_mb()])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="*", default=["mlp", "lenet", "resnet", "transformer"])
    torch.set_num_threads(1)
    columns = ["network", "parameters", "tool", "gradients a product", "gradients, 64 steps", "peak RSS so far, MB"]
    found: list[list[object]] = []
    for name in parser.parse_args().models:
        found += rows(name)
        record("Curvature: cost of a density", columns, found, "CPU time, one thread, in gradients of the same batch.")


if __name__ == "__main__":
    main()
