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
from htmu_diag.model.wrappers import is_sharded
from htmu_diag.ranks.snapshot import Ranks
from htmu_diag.ranks.team import Solo, Team
from htmu_diag.storage import run_info

__all__ = ["run_content", "team_of"]


def team_of(model: torch.nn.Module, team: Team | None) -> Team:
    """The given team, or all ranks of the job. Raises InputError where not all of them train this model."""
    if team is None:
        team = Ranks() if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1 else Solo()
    _check_ranks(model, team)
    return team


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
    if not isinstance(model, torch.nn.parallel.DistributedDataParallel) or team.share.world == 1:
        return
    ranks = dist.get_world_size(model.process_group)
    if ranks < team.share.world and not is_sharded(model):
        raise InputError(
            f"the {type(model.module).__name__} is trained by {ranks} of the job's {team.share.world} ranks; pass "
            "team=alone() from htmu_diag.integrations.distributed on one rank of each model, with a log_dir of its own"
        )
