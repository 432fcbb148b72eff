"""A training that is killed and resumed reads, in the store and in TensorBoard, as if it had never been interrupted."""

import json
import subprocess
import sys
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from htmu_diag import load_run

# The nursery imports torch once and forks a training for each kill; a checkpoint is written at every tenth step.
NURSERY = """
import glob, os, random, signal, sys, tempfile, time
import torch
import htmu_diag
from htmu_diag.analysis import Options
torch.set_num_threads(1)  # a forked child has no OpenMP threads of its parent's, and would wait for them

def train(folder, pause, steps=200):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(12, 16), torch.nn.Tanh(), torch.nn.Linear(16, 12))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
    saved, step = os.path.join(folder, "checkpoint.pt"), 0
    if os.path.exists(saved):
        state = torch.load(saved)
        step = state["step"]
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
    watching = dict(log_dir=folder, every=4, start_step=step, options=Options(bootstrap=0), run_info={})
    with htmu_diag.watch(model, optimizer, **watching) as monitor:
        for step in range(step, steps):
            data = torch.randn(32, 12, generator=torch.Generator().manual_seed(step))
            optimizer.zero_grad()
            loss = (model(data) - data.flip(1)).square().mean()
            loss.backward()
            optimizer.step()
            monitor.log({"train/loss": loss})
            if (step + 1) % 10 == 0:
                monitor.flush()  # what a checkpoint follows is stored before it
                state = {"step": step + 1, "model": model.state_dict(), "optimizer": optimizer.state_dict()}
                torch.save(state, saved + ".new")
                os.replace(saved + ".new", saved)
            time.sleep(pause)

def fork(folder, pause):
    child = os.fork()
    if child == 0:
        train(folder, pause)
        os._exit(0)
    return child

with tempfile.TemporaryDirectory() as folder:
    train(folder, 0.0, steps=4)  # whatever is imported late is imported now
killed, whole, rng = sys.argv[1], sys.argv[2], random.Random(3)
for kill in range(4):
    child = fork(killed, 0.004)
    while len(glob.glob(killed + "/events*")) <= kill:  # on a busy machine it may take long to begin
        time.sleep(0.001)
    time.sleep(rng.uniform(0.0, 0.1))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
for folder in (killed, whole):
    assert os.waitpid(fork(folder, 0.0), 0)[1] == 0
"""


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(folder)).Reload()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_a_killed_and_resumed_run_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    killed.mkdir()
    whole.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", NURSERY, str(killed), str(whole)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    ours, theirs = load_run(killed), load_run(whole)
    assert ours.steps == theirs.steps == tuple(range(0, 201, 4))
    for step in ours.steps:
        for a, b in zip(ours.spectra(step), theirs.spectra(step), strict=True):
            assert a.values.tobytes() == b.values.tobytes()
    assert json.dumps(ours.scalars()) == json.dumps(theirs.scalars())
    assert curves(killed) == curves(whole)
    assert len(list(killed.glob("events*"))) == 5
