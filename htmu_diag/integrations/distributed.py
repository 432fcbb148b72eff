"""DDP and FSDP2: what `watch` does by itself in a torch.distributed job, and what can be chosen.

Call ``watch`` on every rank, at the same place, with the same arguments; rank 0 writes.

- Replicated weights (DDP): each rank decomposes its share of the matrices and sends the spectra to rank 0.
- Sharded weights (``fully_shard``): one parameter at a time is gathered by all ranks, and kept by the one whose share
  it is until it is decomposed; whole models never meet in one memory.
- Hessian, Gauss-Newton and Fisher products are averaged over the batches of all ranks.
- Other probes of a batch (NTK, conjugate kernel, Jacobian, gradient noise) run on rank 0, on its replica and its batch.
  The others wait as long as it gives signs of life, in no collective of the training, whose time limit does not run.
- A job that trains several models on disjoint groups of ranks (``fully_shard(mesh=...)``, stages of a pipeline) has a
  watch for each: the ranks that hold a model measure it together, and each model needs a ``log_dir`` of its own.
- A weight that one rank has no memory to gather is left out by all, told once; the training is not held.
- Probes that differentiate refuse sharded models by name.
- A rank that does not come to a snapshot within the time limit costs that snapshot and one warning, never a deadlock.
"""

from __future__ import annotations

from collections.abc import Sequence

from htmu_diag.ranks.snapshot import Ranks
from htmu_diag.ranks.team import Solo, Team

__all__ = ["alone", "all_ranks"]


def alone() -> Team:
    """For ``watch(team=alone())``: this process measures and writes its own model, whatever other ranks do.

    Give every rank its own ``log_dir``: a folder has one writer.
    """
    return Solo()


def all_ranks(limit: float = 60.0, *, ranks: Sequence[int] = ()) -> Team:
    """For ``watch(team=all_ranks(limit=300))``: the ranks of the job together, with another time limit in seconds.

    ranks: only these, by their numbers in the job: those that train one model, where a job trains several.
    """
    return Ranks(limit, ranks)
