"""OMP_NUM_THREADS=1 python -m benchmarks.curvature_memory

Peak memory of one 64-step density, one probe, each in a process of its own: ours, and PyHessian, curvlinops and
hessian-eigenthings where they are installed, on the networks of curvature_cost; then ours where ``memory_limit`` is
small. The peak is that of the resident set (VmHWM, set back just before; Linux) above its size after the same on two
samples: the model, the batch and the libraries are not in it. A product alone, measured likewise, keeps one graph at
most; a density may take that, the limit for the graphs that it keeps, and the limit for its vectors.

    python -m benchmarks.curvature_memory child mlp selective [BATCHES [LIMIT IN MB]]   # one row, as JSON
"""

from __future__ import annotations

import ctypes
import gc
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import cross_entropy

from benchmarks.common import in_child, record
from benchmarks.curvature_cost import PEERS, PROBLEMS
from htmu_diag.operators.hessian import HessianOperator
from htmu_diag.solvers.density import spectral_density
from htmu_diag.spectrum import Kind, Source

MODULE = "benchmarks.curvature_memory"
MB = 2**20
OURS = ("selective", "none", "full")
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
# network, batches, limits in MB for the graphs and for the vectors each: from all that is wanted to hardly anything
BOUNDED = [
    *(("mlp", 1, limit) for limit in (200, 160, 100)),
    *(("mlp", 8, limit) for limit in (200, 10)),
    *(("resnet", 4, limit) for limit in (200, 100, 20)),
]
COLUMNS = ["network", "parameters", "tool", "peak, MB"]
LIMITED = [
    *("network", "parameters", "batches", "memory_limit, MB", "outliers kept", "graphs kept, MB"),
    *("a product alone, MB", "peak, MB"),
]


def resident_mb(entry: str) -> float:
    """VmRSS or VmHWM of this process."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(entry))
    return float(line.split()[1]) / 1024


def run(tool: str, operator: HessianOperator, steps: int, limit: int | None) -> str:
    """One density, or three products; of ours, the number of outliers whose vectors were kept."""
    if tool == "product":
        for _ in range(3):
            operator.matvec(torch.ones(operator.shape[0]))
        return ""
    if tool in PEERS:
        PEERS[tool](operator, steps, 1, 0)
        return ""
    policy: Any = tool
    source = Source(Kind.HESSIAN, "model", operator.shape)
    found = spectral_density(operator, source, steps=steps, probes=1, reorthogonalize=policy, memory_limit=limit)
    return found.estimator.routine.split(", ")[2].split()[0]


def child(name: str, tool: str, batches: int = 1, limit_mb: int | None = None) -> dict[str, object]:
    """What one density adds to this process at its peak."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model, inputs = PROBLEMS[name]()
    model.eval()
    targets = torch.randint(10, (len(inputs),))
    data = list(zip(inputs.chunk(batches), targets.chunk(batches), strict=True))
    limit = None if limit_mb is None else limit_mb * MB
    with sdpa_kernel(SDPBackend.MATH):
        run(tool, HessianOperator(model, cross_entropy, (inputs[:2], targets[:2])), 4, limit)
        operator = HessianOperator(model, cross_entropy, data, memory_limit=limit)
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        CLEAR.write_text("5")
        before = resident_mb("VmRSS")
        outliers = run(tool, operator, 64, limit)
    peak = resident_mb("VmHWM") - before
    return {"parameters": operator.shape[0], "graphs": operator.graph_bytes / MB, "outliers": outliers, "peak": peak}


def of_tools(network: str) -> list[list[object]]:
    """One row a tool, without a limit but half of the free memory."""
    tools = [*OURS, *(tool for tool in PEERS if importlib.util.find_spec(tool))]
    found = {tool: in_child(MODULE, network, tool) for tool in tools}
    names = {tool: f"htmu_diag, {tool}" if tool in OURS else tool for tool in tools}
    return [[network, row["parameters"], names[tool], row["peak"]] for tool, row in found.items()]


def limited() -> list[list[object]]:
    """Ours under limits; what one product takes without any kept graph but the one that it needs."""
    cases = [(network, batches) for network, batches, _ in BOUNDED]
    alone = {case: in_child(MODULE, case[0], "product", case[1], 0)["peak"] for case in dict.fromkeys(cases)}
    found: list[list[object]] = []
    for network, batches, limit in BOUNDED:
        row = in_child(MODULE, network, "selective", batches, limit)
        sizes = [row["outliers"], row["graphs"], alone[network, batches], row["peak"]]
        found.append([network, row["parameters"], batches, limit, *sizes])
        print(*found[-1], flush=True)
    return found


def main() -> None:
    if sys.argv[1:2] == ["child"]:
        network, tool, *options = sys.argv[2:]
        print(json.dumps(child(network, tool, *map(int, options))))
        return
    note = "64 steps, 1 probe, float32; the limit holds for the graphs and for the vectors each."
    record("Curvature: peak memory under a limit", LIMITED, limited(), note)
    rows: list[list[object]] = []
    for network in PROBLEMS:
        rows += of_tools(network)
        record("Curvature: peak memory of a density", COLUMNS, rows, "64 steps, 1 probe, float32, one process each.")


if __name__ == "__main__":
    main()
