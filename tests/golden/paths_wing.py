"""What is computed for `numbers` along a training: rings of steps, gradient noise, the edge of stability."""

import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from htmu_diag import probes
from htmu_diag.probes.gradient_noise import stable_tail_index
from htmu_diag.probes.micro_steps import MicroNoise
from htmu_diag.probes.noise import GradientNoise
from htmu_diag.probes.step_path import StepPath
from tests.golden.measurement_wing import LABELS, MODELS, context, dense, waves
from tests.golden.probed_wing import told


def of_noise() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for groups, columns in itertools.product((3, 4, 5, 7, 8, 9, 16, 18), (7, 8, 40)):
        found[f"index {groups} {columns}"] = stable_tail_index(waves(groups, columns) ** 3)
    still = waves(8, 20)
    still[:, :12] = 1.0
    found["still"] = stable_tail_index(still), stable_tail_index(still[:, 5:]), stable_tail_index(torch.zeros(0, 8))
    parameters = [waves(4, 5), waves(7)]
    for coordinates, seen in itertools.product((8, 27, 99), (0, 1, 2, 5)):
        noise = GradientNoise(parameters, coordinates, 3)
        for step in range(seen):
            noise.observe([waves(4, 5, start=step) + 1, waves(7, start=0.1 * step) if step != 3 else None])
        moments = noise.take()
        found[f"noise {coordinates} {seen}"] = moments.n, moments.sums, moments.scale(), moments.scale([1])
    leaf = [torch.nn.Parameter(parameter) for parameter in parameters]
    micro = MicroNoise(leaf, 15, 1)
    for passes in (1, 2, 3, 1, 4):
        for number in range(passes):
            ((leaf[0] ** 2).sum() * (1 + number) + (leaf[1] * waves(7, start=number)).sum() * (number < 3)).backward()
        micro.step()
        for parameter in leaf:
            parameter.grad = None
    taken = micro.take()
    micro.close()
    found["micro"] = taken.steps, taken.passes, taken.sums, taken.scale(), taken.scale([1]), micro.take().scale()
    for size, groups in ((3, 8), (4, 8), (8, 2), (8, 3), (8, 8), (8, 32)):
        batch = (MODELS["dense"][1][:size], LABELS[:size])
        probe = probes.GradientNoiseProbe(groups=groups)
        found[f"batch {size} {groups}"] = told(lambda p=probe, b=batch: list(p.measure(context(batch=b))))  # type: ignore[misc]
    return found


def of_paths() -> dict[str, Any]:
    """Rings that are not full, just full, and written over; what is said of other parameters."""
    found: dict[str, Any] = {}
    for window, steps in itertools.product((2, 3, 5), (1, 2, 3, 4, 7)):
        model = dense()
        parameters = list(model.parameters())
        names = [name for name, _ in model.named_parameters()]
        path = StepPath(names, parameters, window, GradientNoise(parameters, 20, 0))  # type: ignore[arg-type]
        for step in range(steps):
            with torch.no_grad():
                for place, parameter in enumerate(parameters):
                    parameter += 0.1 * (step + 1) * waves(*parameter.shape, start=place)
                    parameter.grad = None if step == 2 or place == 1 else waves(*parameter.shape, start=step)
            path.advance()
        squares, moments = path.seen()
        found[f"{window} {steps}"] = (
            squares,
            moments.n,
            path.with_gradients,
            list(path.parts(())),
            list(path.parts(("3*",))),
        )
        found[f"other {steps}"] = path.difference(names[:steps], parameters[:steps]), path.is_of(parameters[:steps])
        found[f"new {steps}"] = path.difference(
            [*names, "x", "y", "z", "u"][steps:], [*parameters, *parameters[:4]][steps:]
        )  # type: ignore[arg-type]
    cast = [parameter.float() for parameter in parameters]
    return found | {"cast": (path.difference(names, parameters), path.is_of(cast), path.is_of(parameters))}  # type: ignore[arg-type]


def of_stability() -> dict[str, Any]:
    """Of optimizers before and after their first step."""
    found: dict[str, Any] = {}
    makers: dict[str, Callable[[Any], Any]] = {
        "plain": lambda p: torch.optim.SGD(p, lr=0.2),
        "momentum": lambda p: torch.optim.SGD(p, lr=0.2, momentum=0.5),
        "adam": lambda p: torch.optim.AdamW(p, lr=0.01, betas=(0.8, 0.9), eps=1e-3),
        "other": lambda p: torch.optim.Adagrad(p, lr=0.1),
    }
    for name, make in makers.items():
        model = dense()
        optimizer, probe = make(model.parameters()), probes.CurvatureProbe(steps=4)
        rows = []
        for _ in range(3):
            rows.append([spectrum.scalars for spectrum in probe.measure(context(model=model, optimizer=optimizer))])
            nn.CrossEntropyLoss()(model(MODELS["dense"][1]), LABELS).backward()
            optimizer.step()
        found[name] = rows
    return found


CASES: dict[str, dict[str, Callable[[], Any]]] = {
    "paths": {"noise": of_noise, "paths": of_paths, "stability": of_stability}
}
