"""What a user waits for besides the spectra themselves: first calls, short runs, fixed costs, beside the goals.

    python -m benchmarks.felt [--before CHECKOUT] [--rows WORDS] [--repeats 3]

Each row is a process of its own with one BLAS thread; CPU seconds of it and its children, and the wall time that a user
stands still, medians of the repeats. The same script measures an older checkout for the column before, in turns with
this one; what that one lacks is a dash. The whole table goes to RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.common import record, table

HERE = Path(__file__).resolve().parents[1]
COMMON = """
import json, resource, sys, tempfile, time, warnings
warnings.simplefilter("ignore")
import torch
torch.manual_seed(0)

def cpu():
    mine, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return mine.ru_utime + mine.ru_stime + others.ru_utime + others.ru_stime

def deep():
    layers = [layer for _ in range(40) for layer in (torch.nn.Linear(128, 128), torch.nn.Tanh())]
    net = torch.nn.Sequential(*layers)
    return net, torch.optim.Adam(net.parameters()), torch.randn(32, 128)

def train(net, optimizer, inputs, steps):
    began = time.perf_counter()
    for _ in range(steps):
        optimizer.zero_grad()
        net(inputs).square().mean().backward()
        optimizer.step()
    return time.perf_counter() - began

def encoder():
    # the shapes of a BERT encoder, 22.7 M weights, in a file
    from safetensors.torch import save_file
    shapes = [(30522, 384), (512, 384)] + [(384, 384)] * 25 + [(1536, 384)] * 6 + [(384, 1536)] * 6
    state = {f"layer.{i:02}.weight": torch.randn(s) / s[1] ** 0.5 for i, s in enumerate(shapes)}
    save_file(state, folder + "/encoder.safetensors")
    return folder + "/encoder.safetensors"

def command(*words, threads_unset=False):
    import os, subprocess
    left_out = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS") if threads_unset else ()
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    began, before = time.perf_counter(), cpu()
    subprocess.run([sys.executable, "-m", "htmu_diag", *words], check=True, capture_output=True, env=environment)
    return time.perf_counter() - began, cpu() - before

found = {}
folder = tempfile.mkdtemp()
"""
ROWS = {
    "watch, imported above torch": """
before = cpu()
import htmu_diag
htmu_diag.watch
found["CPU s"] = cpu() - before
""",
    "analyze of 12 matrices of 128 to 384: first call, then another": """
import htmu_diag
net = torch.nn.Sequential(*[torch.nn.Linear(128, 128 * (1 + i % 3)) for i in range(12)])
for name in ("first, CPU s", "warm, CPU s"):
    before = cpu()
    htmu_diag.analyze(net)
    found[name] = cpu() - before
""",
    "40 layers of 128, every=1, 30 steps": """
import htmu_diag
net, optimizer, inputs = deep()
train(net, optimizer, inputs, 5)
found["alone, s"] = train(net, optimizer, inputs, 30)
with tempfile.TemporaryDirectory() as folder:
    monitor = htmu_diag.watch(net, optimizer, log_dir=folder + "/run", every=1)
    found["watched, s"] = train(net, optimizer, inputs, 30)
    began = time.perf_counter()
    monitor.close()
    found["close, s"] = time.perf_counter() - began
    found["steps stored"] = len(htmu_diag.load_run(folder + "/run").steps)
""",
    "40 layers of 128, every=100, 300 steps": """
import htmu_diag
net, optimizer, inputs = deep()
before = cpu()
train(net, optimizer, inputs, 300)
found["alone, CPU s"] = cpu() - before
before = cpu()
with tempfile.TemporaryDirectory() as folder:
    monitor = htmu_diag.watch(net, optimizer, log_dir=folder + "/run", every=100)
    train(net, optimizer, inputs, 300)
    monitor.flush()
    began = time.perf_counter()
    monitor.close()
    found["close after the last fit, s"] = time.perf_counter() - began
    found["watched, CPU s"] = cpu() - before
""",
    "htmu analyze FILE, an encoder of 22.7 M and 39 matrices, whole process": """
path = encoder()
found["import torch alone, CPU s"] = cpu()
found["wall s"], found["CPU s"] = command("analyze", path)
words = "analyze", path, "--jobs", "1"
found["no thread number set, one job: wall s"], found["the same, CPU s"] = command(*words, threads_unset=True)
found["--out (39 pictures), wall s"], found["--out, CPU s"] = command("analyze", path, "--out", folder + "/out")
""",
    "htmu analyze FILE, 400 layers of 256 x 256": """
from safetensors.torch import save_file
state = {f"layer.{i:03}.weight": torch.randn(256, 256) / 16 for i in range(400)}
save_file(state, folder + "/many.safetensors")
for jobs in ("1", "2"):
    words = "analyze", folder + "/many.safetensors", "--jobs", jobs
    found[f"--jobs {jobs}, wall s"], found[f"--jobs {jobs}, CPU s"] = command(*words)
""",
    "a picture of one layer": """
from htmu_diag.analysis import diagnose
from htmu_diag.matrices import matrices
from htmu_diag.report.card import Cards
from htmu_diag.solvers import matrix_spectrum
nets = torch.nn.Sequential(*[torch.nn.Linear(128, 256) for _ in range(12)])
several = [diagnose(matrix_spectrum(matrix)) for matrix in matrices(nets)]
from htmu_diag.report.figures import Pictures
for what, drawn in (("a card", Cards()), ("of --out", Pictures())):
    drawn.png(several[0])
    before = cpu()
    for one in several:
        drawn.png(one)
    found[f"{what}: CPU ms, after the first"] = 1000 * (cpu() - before) / len(several)
""",
    "kernels": """
import numpy as np
from htmu_diag.fits.inverse_gamma import fit_inverse_gamma
for n in (50, 1000):
    draws = [1 / np.random.default_rng(i).gamma(3.0, size=n) for i in range(8)]
    for name, count in (("fit alone", 0), ("with a p-value of 50 replicates", 50)):
        fit_inverse_gamma(draws[0], bootstrap=count)
        before = cpu()
        for one in draws:
            fit_inverse_gamma(one, bootstrap=count)
        found[f"inverse Gamma, n = {n}, {name}, CPU ms"] = 1000 * (cpu() - before) / len(draws)
import htmu_diag
from htmu_diag.training.models import CharTransformer
net = CharTransformer(96, context=64, embedding=128, heads=4, layers=6)
batch = torch.randint(96, (12, 64)), torch.randint(96, (12, 64))
monitor = htmu_diag.watch(net, batch=batch, probes=["conjugate_kernel"], every=[10**9], log_dir=folder, sinks=[])
monitor.snapshot()
monitor.step(1)
import psutil
used = lambda: sum(p.cpu_times().user + p.cpu_times().system for p in [psutil.Process(), *psutil.Process().children()])
before = used()
record = monitor.snapshot()
found["conjugate_kernel of a GPT of 1.2 M, spectra"] = len(record.diagnoses)
found["the same, measured and diagnosed, CPU s"] = used() - before
monitor.close()
""",
}


GOALS = {
    "watch, imported above torch": {"CPU s": "0.5"},
    "analyze of 12 matrices of 128 to 384: first call, then another": {"first, CPU s": "1.3 times the warm one"},
    "40 layers of 128, every=1, 30 steps": {
        "watched, s": "1.5 times alone",
        "steps stored": "31, all",
    },
    "40 layers of 128, every=100, 300 steps": {"close after the last fit, s": "0.5"},
    "htmu analyze FILE, an encoder of 22.7 M and 39 matrices, whole process": {"CPU s": "2.3", "--out, CPU s": "4"},
    "htmu analyze FILE, 400 layers of 256 x 256": {"--jobs 2, wall s": "one job's / 2.2"},
    "a picture of one layer": dict.fromkeys(
        (f"{one}: CPU ms, after the first" for one in ("a card", "of --out")), "25"
    ),
    "kernels": {
        **{f"inverse Gamma, n = {n}, with a p-value of 50 replicates, CPU ms": "3" for n in (50, 1000)},
        "the same, measured and diagnosed, CPU s": "0.4",
    },
}


def measured(package: Path, row: str) -> dict[str, float]:
    """The numbers of one row, once; none, with the reason on standard error, where the checkout lacks what is timed."""
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    environment = {**os.environ, **one_thread, "PYTHONPATH": str(package)}
    command = [sys.executable, "-c", COMMON + ROWS[row] + "print(json.dumps(found))"]
    done = subprocess.run(command, cwd=package, env=environment, capture_output=True, text=True, timeout=600)
    if done.returncode and package == HERE:
        raise RuntimeError(f"{row}: {done.stderr}")
    if done.returncode:
        print(f"{row}, {package.name}: {done.stderr.splitlines()[-1]}", file=sys.stderr)
        return {}
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def lines(row: str, places: dict[str, Path], repeats: int) -> list[list[object]]:
    """A line for each number of a row: medians of each checkout, taken in turns, and the goal."""
    runs = [{when: measured(place, row) for when, place in places.items()} for _ in range(repeats)]
    found = []
    for name in runs[0]["now"]:
        of = {when: [run[when][name] for run in runs if name in run[when]] for when in places}
        medians: list[object] = [f"{statistics.median(one):.2f}" if one else "-" for one in of.values()]
        found.append([row, name, *medians, GOALS[row].get(name, "")])
    return found


def main() -> None:
    """One table, a line a number."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, help="an older checkout of the package")
    parser.add_argument("--rows", default="", help="only rows whose name holds this; printed, not recorded")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    places = {"before": given.before.resolve()} if given.before else {}
    places["now"] = HERE
    columns = ["what", "number", *places, "goal"]
    chosen = [row for row in ROWS if given.rows in row]
    found = [line for row in chosen for line in lines(row, places, given.repeats)]
    if given.rows:
        print(table(columns, found))
    else:
        record("What is felt", columns, found, f"Medians of {given.repeats}, one BLAS thread.")


if __name__ == "__main__":
    main()
