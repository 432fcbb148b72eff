"""A small training, and probes that do what a test says."""

from collections.abc import Callable, Iterator

import torch

from htmu_diag.probes import Need, StepContext
from htmu_diag.spectrum import Kind, Source, Spectrum


class Task:
    """A small regression: a model, an optimizer, and a training step."""

    def __init__(self, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.model = torch.nn.Sequential(torch.nn.Linear(16, 24), torch.nn.Tanh(), torch.nn.Linear(24, 8))
        self.optimizer: torch.optim.Optimizer = torch.optim.SGD(self.model.parameters(), lr=0.05)
        self.inputs, self.targets = torch.randn(64, 16), torch.randn(64, 8)

    def backward(self) -> None:
        torch.nn.functional.mse_loss(self.model(self.inputs), self.targets).backward()

    def train(self, steps: int) -> None:
        for _ in range(steps):
            self.optimizer.zero_grad()
            self.backward()
            self.optimizer.step()


class StubProbe:
    """Yields what a function of the step gives."""

    needs: frozenset[Need] = frozenset()

    def __init__(self, call: Callable[[int], list[Spectrum]], name: str = "stub") -> None:
        self.name, self._call = name, call

    def measure(self, context: StepContext) -> Iterator[Spectrum]:
        yield from self._call(context.step)


def spectrum(name: str = "layer", n: int = 40) -> Spectrum:
    """n positive eigenvalues, always the same."""
    generator = torch.Generator().manual_seed(n)
    source = Source(Kind.WEIGHTS, name, (n, 2 * n), 0, "squares")
    return Spectrum.exact(torch.rand(n, generator=generator).double().numpy() + 0.1, source)
