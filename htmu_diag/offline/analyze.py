"""`analyze`: a model or its files in, every layer's spectrum with its fits out.

The same way as in live training: `matrices` lists what there is, `solvers.exact` decomposes, `diagnose` fits. Weights
are read from disk one matrix at a time and nothing of the model is changed.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy.typing as npt

from htmu_diag.analysis import Options
from htmu_diag.arguments import FLAG, PATH, checked, globs_of, instance, optional, whole
from htmu_diag.cores import cores
from htmu_diag.errors import InputError
from htmu_diag.extras import Late
from htmu_diag.matrices import Inventory, checkpoint_matrices
from htmu_diag.matrices.arguments import CUT
from htmu_diag.matrices.given import is_given
from htmu_diag.matrices.layout import Conv
from htmu_diag.missing_path import missing_path
from htmu_diag.model.arguments import MODULE
from htmu_diag.model.torch_values import is_module
from htmu_diag.model.wrappers import is_sharded, unwrap
from htmu_diag.nearest import answering
from htmu_diag.offline.folders import refuse_other_folders, step_of
from htmu_diag.offline.measure import Choices, Measuring, measured
from htmu_diag.offline.order import numbers_in_order
from htmu_diag.ranks.alone import Team, team_of
from htmu_diag.ranks.share import shares
from htmu_diag.report.analysis import Analysis, Layer
from htmu_diag.warned import warn

if TYPE_CHECKING:
    import torch

    from htmu_diag.offline.layer_folder import LayerFolder
else:
    torch = Late("torch")

__all__ = ["Globs", "Progress", "analyze"]

Globs = str | Sequence[str]


@dataclass(frozen=True)
class Progress:
    """Where an analysis stands: matrices done, of how many, the last one's name, the share of the work in [0, 1].

    step: of the checkpoint, as in `Analysis`.
    """

    done: int
    total: int
    name: str
    share: float
    step: int | None = None


@answering({"checkpoint": "model", "path": "model", "layers": "include", "split_heads": "heads"})
@checked(
    **CUT,
    like=optional(MODULE),
    vectors=FLAG,
    options=optional(instance("htmu_diag.Options(...)", Options)),
    step=optional(whole(0, 2**62)),
    threads=optional(whole(0, 4096)),
    jobs=optional(whole(0, 4096)),
)
def analyze(
    model: torch.nn.Module | str | os.PathLike[str] | Mapping[str, Any] | torch.Tensor | npt.NDArray[Any],
    *,
    include: Globs = (),
    exclude: Globs = (),
    min_side: int = 2,
    conv: Conv = "unfold",
    heads: bool | int = False,
    fused: bool = True,
    like: torch.nn.Module | None = None,
    vectors: bool = False,
    options: Options | None = None,
    step: int | None = None,
    threads: int | None = 1,
    device: str | torch.device | None = None,
    progress: Callable[[Progress], object] | None = None,
    ranks: bool | float = False,
    jobs: int | None = 1,
    parts: str | os.PathLike[str] | None = None,
) -> Analysis:
    """Measure and diagnose every weight matrix of a module, or of a checkpoint on disk.

    model: a module, or the path of ``.safetensors``, ``.pt``, ``.pth``, ``.bin``, ``.ckpt``, ``.npz``, of a folder of
        shards, of a Hugging Face model or of a distributed checkpoint. Pickles that would run code are refused.
        Or what they hold: a state dict, arrays by name (nested or not, of numpy, JAX, TensorFlow), one array.
    include, exclude: globs on parameter names ("encoder.*", "*attn*"); empty include means all.
    min_side: matrices with a smaller side below it are skipped; 2 by default: one eigenvalue is no spectrum.
    conv, heads, fused: how convolutions, attention heads and fused projections are cut, as in `matrices`.
    like: for a path: a model of the same names (on the meta device) where names and shapes do not tell the roles.
    vectors: also the eigenvectors' entropy deficit, at about three times the cost.
    options: of the fits; ``Options(tail_only=True)`` fits exponents only.
    step: optimizer steps taken, for titles and for the seeds of the p-values, which are then those of the live run;
        by default from a name such as checkpoint-500.
    threads: of BLAS; one makes results independent of the machine, None leaves the process's own number.
    device: where matrices are decomposed; by default where the weights are (files: the CPU).
    progress: called after each matrix.
    ranks: share the matrices among the ranks of the running torch.distributed job; all of them call this with the same
        arguments. Rank 0 gets the whole, others their own part. A number is the limit in seconds for a silent rank.
    jobs: processes of this machine that share the matrices of a path, each with ``threads``; the numbers are the same
        to the last bit. None: as many as there are cores, where there is enough to do. A script that asks for more than
        one needs ``if __name__ == "__main__":``, since each process imports it.
    parts: a folder in which each matrix of a checkpoint on disk is kept as soon as it is done; the same call, after a
        kill, goes on from there. StorageError where it holds the parts of another call.

    Raises InputError for a path that cannot be read and for a model without any matrix. A matrix that cannot be
    decomposed is a row without numbers, with the reason, in place of an error.

    >>> import torch
    >>> found = analyze(torch.nn.Sequential(torch.nn.Linear(40, 60), torch.nn.LayerNorm(60)))
    >>> [(row["name"], row["rows"], row["columns"]) for row in found.rows()]
    [('0.weight', 60, 40)]
    >>> [skip.reason for skip in found.skipped][-1]
    'one-dimensional: a bias, a scale or a single vector'
    """
    options = options or Options()
    if isinstance(model, (str, os.PathLike)):
        PATH("model", model)
    if step is None and isinstance(model, (str, os.PathLike)):
        step = step_of(model)
    choices = Choices(options, vectors, step, threads, device)
    choices.check()
    given = {"include": include, "exclude": exclude, "min_side": min_side, "conv": conv, "heads": heads, "fused": fused}
    given |= {"like": like, "vectors": vectors, "threads": threads, "device": device}
    with team_of(ranks) as team, _kept(parts, model, choices, given) as kept:
        wanted = {"include": globs_of(include), "exclude": globs_of(exclude), "min_side": min_side}
        listing = partial(_listed, partial(_listing(model, like), **wanted, conv=conv, heads=heads, fused=fused))
        inventory = listing()
        if not len(inventory):
            raise InputError(_nothing(_name(model), inventory))
        if (unmatched := inventory.unmatched((*globs_of(include), *globs_of(exclude)))) and team.rank == 0:
            warn(f"htmu_diag: {unmatched}")
        read_all = is_module(model) and is_sharded(model)
        measuring = partial(_here, inventory, choices, read_all)
        several = _jobs(jobs, inventory, choices, team) if isinstance(model, (str, os.PathLike)) else 1
        if several > 1:
            from htmu_diag.offline.jobs import in_processes

            measuring = partial(in_processes, inventory, listing, choices, several)
        layers = _measured(inventory, choices, team, progress, kept, measuring)
    return Analysis(_name(model), layers, inventory.skipped, options, step)


def _measured(
    inventory: Inventory,
    choices: Choices,
    team: Team,
    progress: Callable[[Progress], object] | None,
    kept: LayerFolder | None,
    measuring: Measuring,
) -> tuple[Layer, ...]:
    costs = [matrix.cost for matrix in inventory]
    owners = shares(costs, team.world)
    mine = [place for place, owner in enumerate(owners) if owner == team.rank]
    expected = range(len(costs)) if team.rank == 0 else mine
    whole, spent = sum(costs[place] for place in expected), 0.0
    found: dict[int, Layer] = {}
    own = measuring(mine) if kept is None else kept.resumed(inventory, mine, choices, measuring)
    for place, layer in team.gathered(own, owners):
        found[place] = layer
        spent += costs[place]
        if progress is not None:
            progress(Progress(len(found), len(expected), layer.name, spent / whole, choices.step))
    return tuple(found[place] for place in sorted(found))


def _here(inventory: Inventory, choices: Choices, read_all: bool, places: Sequence[int]) -> Iterator[tuple[int, Layer]]:
    return measured(inventory, places, choices, read_all=read_all)


def _jobs(jobs: int | None, inventory: Inventory, choices: Choices, team: Team) -> int:
    """Processes that share the matrices; ranks of a job are the processes, and a device is shared when asked for."""
    if jobs is not None and jobs < 1:
        raise InputError(f"jobs is {jobs}; use at least 1, or None for the cores of this process")
    if jobs is None:
        from htmu_diag.offline.jobs import worth

        jobs = cores() if choices.device is None and worth(inventory, choices) else 1
    return 1 if team.world > 1 else min(jobs, len(inventory))


def _listed(listing: Callable[[], Inventory]) -> Inventory:
    return numbers_in_order(listing())


def _kept(
    parts: str | os.PathLike[str] | None, model: object, choices: Choices, given: Mapping[str, Any]
) -> contextlib.AbstractContextManager[LayerFolder | None]:
    if parts is None:
        return contextlib.nullcontext()
    if not isinstance(model, (str, os.PathLike)):
        raise InputError("parts: only a checkpoint on disk is known again; pass its path, or leave parts out")
    path = Path(model)
    if not path.exists():
        raise InputError(missing_path(path))
    from htmu_diag.offline.layer_folder import LayerFolder

    return LayerFolder(Path(parts), path, choices.options, given, choices.step)


def _listing(model: object, like: torch.nn.Module | None) -> Callable[..., Inventory]:
    if is_module(model):
        from htmu_diag.matrices.module import matrices

        return partial(matrices, model)
    if isinstance(model, (str, os.PathLike)):
        refuse_other_folders(Path(model))
        return partial(checkpoint_matrices, Path(model), like=like)
    if is_given(model):
        return partial(checkpoint_matrices, cast("Mapping[str, Any]", model), like=like)
    taken = "a torch.nn.Module, a path, a state dict, arrays by name or one array"
    raise InputError(f"analyze takes {taken}, not {type(model).__name__}; pass the model itself")


def _name(model: object) -> str:
    """The path, or the class inside the wrappers of DDP and torch.compile."""
    if isinstance(model, (str, os.PathLike)):
        return str(model)
    if not is_module(model):
        return "state dict" if isinstance(model, Mapping) else "array"
    return type(unwrap(model)).__name__


def _nothing(name: str, inventory: Inventory) -> str:
    counts = Counter(skip.reason for skip in inventory.skipped).most_common(4)
    reasons = "; ".join(f"{count} of {len(inventory.skipped)} tensors: {reason}" for reason, count in counts)
    return f"{name}: no matrix to analyse; {reasons or 'it has no tensors'}"
