"""CUDA graphs: a captured training step, replayed, and a capture while the worker is busy."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

import htmu_diag
from tests.gpu.marks import CUDA, GPU

pytestmark = GPU


class Captured:
    """One whole step as a graph, and the inputs whose memory it reads."""

    def __init__(self, graph: torch.cuda.CUDAGraph, inputs: torch.Tensor) -> None:
        self.replay, self.inputs, self.graph = graph.replay, inputs, graph


def captured(model: nn.Module, optimizer: torch.optim.Optimizer) -> Captured:
    """After the usual warm-up on a side stream."""
    inputs = torch.randn(16, 32, device=CUDA)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step(model, optimizer, inputs)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    optimizer.zero_grad(set_to_none=True)
    with torch.cuda.graph(graph):
        step(model, optimizer, inputs)
    return Captured(graph, inputs)


def step(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: torch.Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    nn.functional.dropout(model(inputs), 0.1).square().mean().backward()
    optimizer.step()


def made(width: int = 64) -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(32, width), nn.Tanh(), nn.Linear(width, 8)).to(CUDA)
    return model, torch.optim.Adam(model.parameters(), lr=0.01, capturable=True)


def test_replays_are_counted_by_hand_and_measured(tmp_path: Path) -> None:
    model, optimizer = made()
    graph = captured(model, optimizer)
    with htmu_diag.watch(model, optimizer, log_dir=tmp_path, every=2, probes=["weights", "trajectory"]) as monitor:
        for _ in range(4):
            graph.replay()
            monitor.step()
    run = htmu_diag.load_run(tmp_path)
    assert run.steps == (0, 2, 4)
    first, last = (next(s for s in run.spectra(at) if s.source.kind.value == "weights").values for at in (0, 4))
    assert not np.array_equal(first, last)


def test_replays_with_a_monitor_give_the_same_weights(tmp_path: Path) -> None:
    found = []
    for watching in (False, False, True):
        torch.cuda.manual_seed(2)
        model, optimizer = made()
        graph = captured(model, optimizer)
        if watching:
            with htmu_diag.watch(model, optimizer, log_dir=tmp_path, every=1, probes=["weights"]) as monitor:
                for _ in range(4):
                    graph.replay()
                    monitor.step()
        else:
            for _ in range(4):
                graph.replay()
        found.append([parameter.detach().clone() for parameter in model.parameters()])
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=0)
    torch.testing.assert_close(found[0], found[2], rtol=0, atol=0)


def test_a_graph_is_captured_while_the_worker_decomposes(tmp_path: Path) -> None:
    """While any thread captures, others may not wait or allocate, unless they say that they know what they do."""
    model, optimizer = made()
    heavy = nn.Linear(2048, 2048).to(CUDA)
    with htmu_diag.watch(heavy, log_dir=tmp_path, every=1, strict=True, sinks=[]) as monitor:
        for _ in range(6):
            monitor.step()
            graph = captured(model, optimizer)
            graph.replay()
    torch.cuda.synchronize()
    assert htmu_diag.load_run(tmp_path).steps == tuple(range(7))
