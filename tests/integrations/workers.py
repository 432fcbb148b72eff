"""What each rank of a test job runs; started by `tests.forked` with gloo on the loopback interface."""

import os
import socket
import time
import warnings
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch.distributed.algorithms import Join
from torch.nn.parallel import DistributedDataParallel

import htmu_diag
from htmu_diag.analysis import Options, diagnoser
from htmu_diag.errors import InputError
from htmu_diag.integrations.distributed import all_ranks, alone
from htmu_diag.probes import CurvatureProbe, Need, Pending, StepContext
from htmu_diag.recording import decomposer, recorder
from htmu_diag.spectrum import Spectrum
from htmu_diag.voice import notices
from tests.forked import start
from tests.later import Later
from tests.monitor.helpers import StubProbe, spectrum

WORLD = 2
fsdp = Later("torch.distributed.fsdp")
# What is stored and told is looked at here; what TensorBoard and the page show of it is not.
watch = partial(htmu_diag.watch, usual_sinks=False, options=Options(bootstrap=0))
Job = Callable[[int, Path], None]


def launch(job: Job, folder: Path, seconds: float = 90.0, ranks: int = WORLD) -> None:
    """Run a job on some ranks; raises what a rank raised, and TimeoutError where they do not end in time."""
    start(_enter, job, folder, _free_port(), ranks, ranks=ranks, seconds=seconds)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _enter(rank: int, job: Job, folder: Path, port: int, world: int) -> None:
    torch.set_num_threads(1)
    notices.LONG_WAIT = float("inf")  # a busy machine is not what these jobs are about
    diagnoser.PATIENCE = recorder.LONG_QUEUE = decomposer.LONG = float("inf")  # nor are processes for fits
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    limit = timedelta(seconds=30)
    rendezvous = f"tcp://127.0.0.1:{port}"  # its store, which rank 0 serves, is the one that real jobs have
    dist.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=world, timeout=limit)
    job(rank, folder)
    if dist.is_initialized():
        dist.destroy_process_group()


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    linear = torch.nn.Linear
    return torch.nn.Sequential(linear(16, 24), torch.nn.Tanh(), linear(24, 20), torch.nn.Tanh(), linear(20, 6))


def train(model: torch.nn.Module, optimizer: torch.optim.Optimizer, rank: int, steps: int) -> None:
    """Each rank has its half of the batch, so the averaged gradient is that of the whole."""
    torch.manual_seed(1)
    inputs, targets = torch.randn(32, 16), torch.randn(32, 6)
    part = slice(16 * rank, 16 * (rank + 1)) if rank >= 0 else slice(None)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(inputs[part]), targets[part]).backward()
        optimizer.step()


def ddp(rank: int, folder: Path) -> None:
    model = DistributedDataParallel(network())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, optimizer, log_dir=folder / "run", every=2, probes=["weights", "trajectory"]) as monitor:
        train(model, optimizer, rank, 4)
        monitor.flush()
        assert bool(monitor.records) == (rank == 0)


def uneven_inputs(rank: int, folder: Path, longer: int) -> None:
    """Under ``Join`` the rank whose data end first stands in for itself in the other's collectives."""
    model = DistributedDataParallel(network())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with caught(folder, rank), watch(model, optimizer, log_dir=folder / "run", every=2):
        began = time.monotonic()
        with Join([model]):
            train(model, optimizer, rank, 9 if rank == longer else 5)
        (folder / f"seconds-{rank}.txt").write_text(str(time.monotonic() - began))


def rank_0_is_longer(rank: int, folder: Path) -> None:
    uneven_inputs(rank, folder, 0)


def rank_1_is_longer(rank: int, folder: Path) -> None:
    uneven_inputs(rank, folder, 1)


def sharded(rank: int, folder: Path) -> None:
    model = network()
    for module in model:
        if isinstance(module, torch.nn.Linear):
            fsdp.fully_shard(module)
    fsdp.fully_shard(model)
    with watch(model, log_dir=folder / "run", every=2, probes=["weights", "trajectory"]):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        train(model, optimizer, rank, 4)


def a_rank_skips_a_step(rank: int, folder: Path) -> None:
    """Rank 1 does not take the first step: later snapshots find one rank only, and the training ends all the same."""
    model = DistributedDataParallel(network())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with caught(folder, rank), watch(model, optimizer, log_dir=folder / "run", every=2, team=all_ranks(1.0)):
        model(torch.ones(2, 16)).sum().backward()
        if rank == 0:
            optimizer.step()
        train(model, optimizer, rank, 7)


def a_rank_raises(rank: int, folder: Path) -> None:
    """Rank 1 stops training after three steps; rank 0 goes on (without gradient exchange) and is not held up."""
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with caught(folder, rank), watch(model, optimizer, log_dir=folder / "run", every=2, team=all_ranks(1.0)):
        train(model, optimizer, -1, 3)
        if rank == 1:
            return
        train(model, optimizer, -1, 5)


CURVATURE = ("hessian", "ggn", "fisher")
KERNELS = ("ntk", "conjugate_kernel", "jacobian", "gradient_noise")
CHOICES: dict[str, Any] = {"every": 2}


def probe_batch(rank: int) -> dict[str, Any]:
    """This rank's half of the probe batch; the whole for rank -1."""
    rng = torch.Generator().manual_seed(2)
    inputs, targets = torch.randn(20, 16, generator=rng), torch.randint(6, (20,), generator=rng)
    rows = slice(0, 12) if rank == 0 else slice(12, 20) if rank == 1 else slice(None)
    return {"batch": (inputs[rows], targets[rows]), "loss_fn": torch.nn.functional.cross_entropy}


def curvature_probes() -> list[CurvatureProbe]:
    """With top eigenvalues, which two computations must agree on; the nodes of a quadrature need not."""
    return [CurvatureProbe(name, steps=12, outliers=3) for name in CURVATURE]


def curvature(rank: int, folder: Path) -> None:
    """And the kernels, which rank 0 measures alone."""
    model = DistributedDataParallel(network())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    probes = [*curvature_probes(), *KERNELS]
    with watch(model, optimizer, log_dir=folder / "run", probes=probes, **CHOICES, **probe_batch(rank)):
        train(model, optimizer, rank, 2)


class SlowShare:
    """Rank 1 needs longer than others for its share, off the training thread.

    values: how many it then sends.
    """

    name = "share"
    needs: frozenset[Need] = frozenset()
    runs = "shared"

    def __init__(self, seconds: float = 2.5, values: int = 40) -> None:
        self._seconds, self._values = seconds, values

    def measure(self, context: StepContext) -> Iterator[Spectrum]:
        yield from ()

    def capture(self, context: StepContext) -> Iterator[Pending]:
        seconds, values = (self._seconds, self._values) if context.share.rank else (0.0, 40)
        name = f"of rank {context.share.rank}"
        yield Pending(name, context.share.rank, lambda: (time.sleep(seconds), spectrum(name, n=values))[1])


def one_rank_measures_for_long(rank: int, folder: Path) -> None:
    """Each time longer than the time limits of the monitor (1 s) and of the training's own group (2 s)."""
    group = dist.new_group(backend="gloo", timeout=timedelta(seconds=2))
    model = DistributedDataParallel(network(), process_group=group)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    slow = StubProbe(lambda step: (time.sleep(3.0), [spectrum()])[1])
    choices = {"probes": ["hessian_layers", slow, "ggn_layers", SlowShare()], "every": 2, "team": all_ranks(1.0)}
    with (
        caught(folder, rank),
        watch(model, optimizer, log_dir=folder / "run", **choices, **probe_batch(rank)),
    ):
        train(model, optimizer, rank, 3)


def a_second_snapshot_at_a_step(rank: int, folder: Path) -> None:
    model = DistributedDataParallel(network())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    choices = {"probes": ["weights", "ntk"], "every": {"weights": 2, "ntk": 4}, **probe_batch(rank)}
    with (
        caught(folder, rank),
        watch(model, optimizer, log_dir=folder / "run", team=all_ranks(2.0), **choices) as monitor,
    ):
        train(model, optimizer, rank, 2)
        monitor.snapshot()
        train(model, optimizer, rank, 2)


def group_destroyed_before_a_large_share_is_sent(rank: int, folder: Path) -> None:
    """Rank 1's share is more than the job's store takes at once (8 MB), and comes when the user has ended the job."""
    model = DistributedDataParallel(network())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    choices = {"probes": ["weights", SlowShare(1.0, 600_000)], "every": 2, "team": all_ranks(2.0)}
    with caught(folder, rank):
        monitor = watch(
            model, optimizer, log_dir=folder / "run", options=Options(bootstrap=0, tail_only=True), **choices
        )
        train(model, optimizer, rank, 2)
        dist.destroy_process_group()
        monitor.close()


def a_model_of_some_ranks(rank: int, folder: Path) -> None:
    """Each rank has a model of its own, as a group of one."""
    groups = [dist.new_group([member]) for member in range(WORLD)]
    model = DistributedDataParallel(network(), process_group=groups[rank])
    with pytest.raises(InputError, match="1 of the job's 2 ranks.*alone"):
        watch(model, log_dir=folder / "run")
    watch(model, log_dir=folder / f"run-{rank}", team=alone()).close()


def careless_probe_on_shards(rank: int, folder: Path) -> None:
    model = network()
    fsdp.fully_shard(model)
    with caught(folder, rank):
        watch(model, log_dir=folder / "run", probes=[StubProbe(lambda step: [spectrum()]), "weights"]).close()


class caught(warnings.catch_warnings):
    """Writes the warnings of a block to a file of the rank."""

    def __init__(self, folder: Path, rank: int) -> None:
        super().__init__(record=True)
        self._path = folder / f"warnings-{rank}.txt"

    def __enter__(self) -> Any:
        self.caught = super().__enter__()
        warnings.simplefilter("always")
        return self.caught

    def __exit__(self, *exception: Any) -> None:
        self._path.write_text("\n".join(str(warning.message) for warning in self.caught or ()))
        super().__exit__(*exception)
