"""What a run begins with, beside its model: the ranks that train it, and its description."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
import torch.distributed as dist

from htmu_diag.analysis import Options
from htmu_diag.analysis.quantities import Quantity
from htmu_diag.errors import InputError
from htmu_diag.model.shards import ranks_of
from htmu_diag.model.wrappers import unwrap
from htmu_diag.ranks.snapshot import Ranks
from htmu_diag.ranks.team import Solo, Team
from htmu_diag.storage import run_info

__all__ = ["run_content", "team_of"]


def team_of(model: torch.nn.Module, team: Team | None) -> Team:
    """The given team, or the ranks of the job that hold this model. Raises InputError where it is not theirs alone."""
    if team is None:
        team = Ranks(ranks=_holders(model)) if dist.is_available() and _several() else Solo()
    _check_ranks(model, team)
    return team


def _several() -> bool:
    return dist.is_initialized() and dist.get_world_size() > 1


def _holders(model: torch.nn.Module) -> tuple[int, ...]:
    """The ranks that hold this model where they are some of the job's only, () where they are all or not known."""
    ranks = _known(model)
    return ranks if 1 < len(ranks) < dist.get_world_size() else ()


def _known(model: torch.nn.Module) -> tuple[int, ...]:
    ranks = ranks_of(list(model.parameters()))
    if not isinstance(model, torch.nn.parallel.DistributedDataParallel):
        return ranks
    return () if ranks else tuple(sorted(dist.get_process_group_ranks(model.process_group)))  # shards, replicated again


def run_content(
    given: Mapping[str, Any] | None,
    config: Mapping[str, Any] | None,
    options: Options | None,
    brought: Sequence[Quantity],
    seed: int,
) -> dict[str, Any]:
    """Content of run.json. given: in place of `htmu_diag.storage.run_info`; brought: quantities of foreign probes."""
    info = dict(run_info(seed=seed) if given is None else given)
    if config is not None:
        info["config"] = dict(config)
    info.setdefault("options", asdict(options or Options()))  # an offline analysis then gives the same numbers
    if brought:
        info.setdefault("quantities", [quantity.content() for quantity in brought])
    return info


def _check_ranks(model: torch.nn.Module, team: Team) -> None:
    """Raises InputError where the ranks that share the work do not all train this model: shares would be mixed up."""
    ranks = _known(model) if team.share.world > 1 else ()
    if ranks and len(ranks) < team.share.world:
        raise InputError(
            f"the {type(unwrap(model)).__name__} is trained by {len(ranks)} of the job's {team.share.world} ranks; "
            "pass team=alone() from htmu_diag.integrations.distributed on one rank of each model, with its own log_dir"
        )
