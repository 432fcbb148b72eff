"""Exponents and time beside weightwatcher, layer by layer, on an encoder of 22.7 M parameters.

    OMP_NUM_THREADS=1 python -m benchmarks.vs_weightwatcher INTERPRETER [WEIGHTS.safetensors]

INTERPRETER: a Python with weightwatcher 0.7.7 and powerlaw 1.5 (its own environment: it pins neither). WEIGHTS: trained
weights of a BERT encoder; without them six layers of width 384 with heavy-tailed synthetic weights are used. Both tools
get the same modules of Linear and Embedding layers, on one thread. The floor is the linear algebra alone: Gram matrices
and their eigenvalues, by the same routines, of tensors already in memory.
"""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from benchmarks.common import cpu_seconds, record
from htmu_diag.analysis import Options, diagnose
from htmu_diag.fits import TailFit, fit_power_law
from htmu_diag.matrices import matrices
from htmu_diag.solvers import matrix_spectrum
from htmu_diag.solvers.gram import eigenvalues, gram
from htmu_diag.solvers.threads import blas_threads
from htmu_diag.spectrum import Spectrum

LAYERS, WIDTH, HIDDEN, VOCABULARY, POSITIONS = 6, 384, 1536, 30522, 512
REPEATS = 7

PEER = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
import torch, weightwatcher
from torch import nn
from safetensors.torch import load_file
{module_of}
torch.set_num_threads(1)
model = module_of(load_file(sys.argv[1]))
times = []
for _ in range(3):
    start = time.process_time()
    details = weightwatcher.WeightWatcher(model=model).analyze()
    times.append(time.process_time() - start)
rows = details[["longname", "alpha", "xmin", "D", "num_pl_spikes"]].values.tolist()
print("RESULT", json.dumps(dict(rows=rows, seconds=sorted(times)[1], version=weightwatcher.__version__)))
"""


def module_of(state: dict[str, torch.Tensor]) -> nn.Module:
    """A tree of Linear and Embedding layers with the matrices of a state dict, under the names they have there.

    The peer's interpreter runs this function's source, so that both tools measure the same module.
    """
    root = nn.Module()
    for name, tensor in state.items():
        if tensor.ndim != 2 or min(tensor.shape) < 50:
            continue
        *path, last, _ = name.split(".")
        at = root
        for part in path:
            if part not in dict(at.named_children()):
                at.add_module(part, nn.Module())
            at = at.get_submodule(part)
        rows, columns = tensor.shape
        is_embedding = "embeddings" in path
        layer = nn.Embedding(rows, columns) if is_embedding else nn.Linear(columns, rows, bias=False)
        layer.weight = nn.Parameter(tensor.float())
        at.add_module(last, layer)
    return root


def synthetic() -> dict[str, torch.Tensor]:
    """Heavy-tailed weights in the shapes of a BERT encoder: Student's t with three degrees of freedom."""
    rng = np.random.default_rng(0)
    shapes = {"embeddings.word_embeddings": (VOCABULARY, WIDTH), "embeddings.position_embeddings": (POSITIONS, WIDTH)}
    for layer in range(LAYERS):
        for part in ("query", "key", "value", "output"):
            shapes[f"encoder.layer.{layer}.attention.{part}"] = (WIDTH, WIDTH)
        shapes[f"encoder.layer.{layer}.intermediate"] = (HIDDEN, WIDTH)
        shapes[f"encoder.layer.{layer}.output"] = (WIDTH, HIDDEN)
    shapes["pooler.dense"] = (WIDTH, WIDTH)
    return {f"{n}.weight": torch.tensor(rng.standard_t(3, s), dtype=torch.float32) for n, s in shapes.items()}


def peer_result(interpreter: str, weights: Path) -> dict[str, Any]:
    """What weightwatcher finds, and the median of its CPU seconds."""
    code = PEER.replace("{module_of}", inspect.getsource(module_of))
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    environment = {**os.environ, **threads, "PYTHONPATH": ""}
    command = [interpreter, "-c", code, str(weights)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    found: dict[str, Any] = json.loads(line.removeprefix("RESULT "))
    return found


def spectra(model: nn.Module) -> list[Spectrum]:
    return [matrix_spectrum(matrix) for matrix in matrices(model)]


def exponents(model: nn.Module) -> dict[str, TailFit]:
    """Ours: the spectrum and the fit of every layer, by name."""
    return {s.source.name.removesuffix(".weight"): fit_power_law(s.values[s.values > 0]) for s in spectra(model)}


def floor(tensors: list[torch.Tensor]) -> None:
    """The linear algebra alone."""
    with blas_threads(1):
        for tensor in tensors:
            eigenvalues(gram(tensor, torch.float64))


def differences(ours: Mapping[str, TailFit], rows: list[list[Any]]) -> dict[str, float]:
    """Largest relative difference of each number over the layers; layers that only one tool gives are counted."""
    theirs = {name: numbers for name, *numbers in rows}
    shared = [name for name in ours if name in theirs]
    alpha = max(abs(theirs[name][0] / ours[name].alpha - 1) for name in shared)
    distance = max(abs(theirs[name][2] / ours[name].ks_distance - 1) for name in shared)
    tails = sum(theirs[name][3] != ours[name].n_tail for name in shared)
    return {
        "layers": len(shared),
        "alpha": alpha,
        "KS": distance,
        "other tail": tails,
        "ours only": len(ours) - len(shared),
    }


def main() -> None:
    interpreter, given = sys.argv[1], sys.argv[2:]
    state = load_file(given[0]) if given else synthetic()
    model = module_of(state)
    tensors = [parameter.detach() for parameter in model.parameters()]
    with tempfile.TemporaryDirectory() as folder:
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, Path(folder) / "weights.safetensors")
        peer = peer_result(interpreter, Path(folder) / "weights.safetensors")
    calls: dict[str, Callable[[], object]] = {
        "linear algebra alone (the floor)": lambda: floor(tensors),
        "spectra and alpha, as weightwatcher gives": lambda: exponents(model),
        "all fits of a diagnosis, no p-values": lambda: [diagnose(s, Options(bootstrap=0)) for s in spectra(model)],
        "a whole diagnosis, p-values from 100 replicates": lambda: [diagnose(s) for s in spectra(model)],
    }
    seconds = {name: cpu_seconds(call, REPEATS if "diagnosis" not in name else 1) for name, call in calls.items()}
    least = seconds["linear algebra alone (the floor)"]
    seconds[f"weightwatcher {peer['version']}"] = peer["seconds"]
    rows = [[name, spent, spent / least, peer["seconds"] / spent] for name, spent in seconds.items()]
    found = differences(exponents(model), peer["rows"])
    weights = "trained weights" if given else "synthetic weights, Student's t with 3 degrees of freedom"
    size = sum(tensor.numel() for tensor in tensors) / 1e6
    note = (
        f"{len(tensors)} matrices, {size:.1f} M weights ({weights}), one thread, CPU time, medians. "
        f"Over {found['layers']} layers alpha differs by at most {found['alpha']:.1e}, the KS distance by "
        f"{found['KS']:.1e} (relative); {found['other tail']} tails have another length."
    )
    record("Beside weightwatcher", ("what", "CPU s", "times the floor", "weightwatcher / this"), rows, note)


if __name__ == "__main__":
    main()
