"""Jobs of several ranks: ``python -m tests.offline.rank_jobs JOBS.json``.

Everything is imported once; each rank of each job is then a fork with the environment that a launcher sets. JOBS.json
lists {"folder", "world", "how", "arguments"}; a folder gets out-<rank>, err-<rank> and code-<rank> of its job. ``how``
is what rank 1 does at its first matrix: "work", "raise", "hang" (stop altogether, until rank 0 has ended), or, at its
second one, "kill" (as the kernel does); "sharded"
analyses `network` under ``fully_shard`` instead, and prints its rows as JSON.
"""

import datetime
import gc
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.fsdp import fully_shard

import htmu_diag.offline.measure as measure
from htmu_diag.analysis import Options
from htmu_diag.cli import main
from htmu_diag.offline import analyze
from htmu_diag.report.strict_json import json_text

TAIL = Options(tail_only=True)

layers_of = measure.layers_of


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(*[torch.nn.Linear(40, 40) for _ in range(3)], torch.nn.Linear(40, 60))


def analyse_shards() -> int:
    dist.init_process_group("gloo", timeout=datetime.timedelta(seconds=60))
    model = network()
    fully_shard(model)
    sys.stdout.write(json_text(analyze(model, ranks=True, options=TAIL).rows()))
    return 0


def misbehaving(how: str) -> Callable[..., Any]:
    done = []

    def instead(*given: Any) -> Any:
        if how == "raise":
            raise ValueError("a fit went wrong")
        if how == "kill" and not done:
            done.append(given)
            return layers_of(*given)
        os.kill(os.getpid(), signal.SIGKILL if how == "kill" else signal.SIGSTOP)

    return instead


def rank_process(job: dict[str, Any], rank: int, port: int) -> int:
    """Fork a rank; returns its process id."""
    process = os.fork()
    if process:
        return process
    for stream, name in ((sys.stdout, "out"), (sys.stderr, "err")):
        target = os.open(f"{job['folder']}/{name}-{rank}", os.O_WRONLY | os.O_CREAT)
        os.dup2(target, stream.fileno())
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(job["world"]), "GLOO_SOCKET_IFNAME": "lo"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    if job["how"] in ("raise", "hang", "kill") and rank == 1:
        measure.layers_of, measure._MOST_TOGETHER = misbehaving(job["how"]), 1
    code = 1
    try:
        code = analyse_shards() if job["how"] == "sharded" else main(job["arguments"])
    finally:
        sys.stdout.flush()
        os._exit(code)


def started(job: dict[str, Any]) -> list[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return [rank_process(job, rank, port) for rank in range(job["world"])]


def wait(job: dict[str, Any], ranks: list[int]) -> None:
    for rank, process in enumerate(ranks):
        if job["how"] == "hang" and rank == 1:
            os.kill(process, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        Path(job["folder"], f"code-{rank}").write_text(str(code))


if __name__ == "__main__":
    gc.freeze()  # so that a fork's collector leaves what is shared alone
    jobs = json.loads(Path(sys.argv[1]).read_text())
    for job, ranks in [(job, started(job)) for job in jobs]:
        wait(job, ranks)
