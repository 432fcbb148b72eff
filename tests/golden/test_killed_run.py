"""A training that is killed and resumed reads, in the store and in TensorBoard, as if it had never been interrupted."""

import json
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from htmu_diag import load_run
from tests import warm

KILLS = 30

# The nursery imports torch once and forks a training for each kill. A training writes a checkpoint at every fifth step,
# and tells through a pipe which steps are stored and shown; these must be there after the kill. Others may be: they are
# stored and not yet shown. What it took it writes to a file, so that it is known how many a kill may cost: those whose
# copies wait to be computed, and the one under way.
NURSERY = """
import gc, os, random, signal, sys, tempfile, time, warnings
import torch
import htmu_diag
from htmu_diag.analysis import Options
from htmu_diag.probes import CurvatureProbe
from htmu_diag.recording import worker
from htmu_diag.sinks import MemorySink, TensorBoardSink
warnings.simplefilter("error")
worker.SHORT = float("inf")  # on a busy machine too: two places, which is what a kill may cost
gc.freeze()  # a fork's collector leaves what is shared alone
torch.set_num_threads(1)  # a forked child has no OpenMP threads of its parent's, and would wait for them

class Telling(MemorySink):
    def write(self, record):
        if record.diagnoses:
            os.write(tell, record.step.to_bytes(8, "little"))

def choices():
    probes = ["weights", CurvatureProbe(steps=8, outliers=1), "ntk"]
    batch = torch.randn(8, 12, generator=torch.Generator().manual_seed(1))
    every = {"weights": 1, "hessian": 3, "ntk": 4}
    return dict(probes=probes, batch=(batch, batch.flip(1)), loss_fn=torch.nn.functional.mse_loss, every=every,
                options=Options(bootstrap=0, tail_only=True), run_info={})

def train(folder, pause, steps):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(12, 16), torch.nn.Tanh(), torch.nn.Linear(16, 12))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
    saved, step = os.path.join(folder, "checkpoint.pt"), 0
    if os.path.exists(saved):
        state = torch.load(saved)
        step = state["step"]
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
    sinks = [TensorBoardSink(folder, figure_every=None), Telling(keep=1)]
    with (
        open(folder + ".taken", "wb", buffering=0) as taken,
        htmu_diag.watch(model, optimizer, log_dir=folder, start_step=step, sinks=sinks, usual_sinks=False,
                        on_exists="continue", **choices()) as monitor,  # without a checkpoint it begins again
    ):
        for step in range(step, steps):
            data = torch.randn(32, 12, generator=torch.Generator().manual_seed(step))
            optimizer.zero_grad()
            loss = (model(data) - data.flip(1)).square().mean()
            loss.backward()
            optimizer.step()
            taken.write((step + 1).to_bytes(8, "little"))
            monitor.log({"train/loss": loss})
            if (step + 1) % 5 == 0:
                monitor.flush()  # what a checkpoint follows is stored before it
                state = {"step": step + 1, "model": model.state_dict(), "optimizer": optimizer.state_dict()}
                torch.save(state, saved + ".new")
                os.replace(saved + ".new", saved)
            time.sleep(pause)

def fork(folder, pause, steps):
    global tell
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            train(folder, pause, steps)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    os.close(tell)
    return child, told

def rest(told):
    with open(told, "rb") as steps:
        data = steps.read()
    return [int.from_bytes(data[i : i + 8], "little") for i in range(0, len(data), 8)]

killed, whole, kills = sys.argv[1], sys.argv[2], int(sys.argv[3])

def opened_segments():
    names = os.listdir(f"{killed}/spectra") if os.path.isdir(f"{killed}/spectra") else []
    return sorted(name for name in names if name[0] != ".")

told, tell = os.pipe()
with tempfile.TemporaryDirectory() as folder:
    train(folder, 0.0, 4)  # whatever is imported late is imported now
rng, opened, stored, reached = random.Random(3), 0, set(), 0
for kill in range(kills):
    child, told = fork(killed, 0.002, 10**6)
    limit = time.monotonic() + (20.0 if kill % 3 else 0.0)
    while len(opened_segments()) == opened and time.monotonic() < limit:
        time.sleep(0.01)  # two of three kills come after the run was opened, however busy the machine is
    time.sleep(rng.uniform(0.0, 0.4))
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    acknowledged = rest(told)
    segments = opened_segments()
    if len(segments) > opened:  # else killed before it superseded anything
        opened, start = len(segments), int(segments[-1].split("-")[-1])
        stored = {step for step in stored if step <= start > 0}
    stored |= set(acknowledged)
    if opened:
        run = htmu_diag.load_run(killed)
        assert stored <= set(run.steps), (stored - set(run.steps), acknowledged)
        assert all(len(run.spectra(s)) == 2 + 2 * (s % 3 == 0) + (s % 4 == 0) for s in run.steps[-4:])
        assert max([0, *rest(killed + ".taken")]) - max(run.steps, default=0) <= 3, kill
        stored, reached = set(run.steps), max(reached, *run.steps, 0)
print(opened, reached)
for folder in (killed, whole):
    child, told = fork(folder, 0.0, reached + 10)
    rest(told)
    assert os.waitpid(child, 0)[1] == 0
"""


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    tags = [tag for tag in events.Tags()["scalars"] if "_distance" not in tag]  # a resumed run does not know its start
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in tags}


def test_a_run_killed_thirty_times_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    killed.mkdir()
    whole.mkdir()
    done = warm.run("-c", NURSERY, str(killed), str(whole), str(KILLS))
    assert done.returncode == 0, done.stderr
    opened, reached = map(int, done.stdout.split())
    assert opened > KILLS / 2
    ours, theirs = load_run(killed), load_run(whole)
    assert ours.steps == theirs.steps == tuple(range(reached + 11))
    for step in ours.steps:
        for a, b in zip(ours.spectra(step), theirs.spectra(step), strict=True):
            assert a.source == b.source
            assert a.values.tobytes() == b.values.tobytes()
    assert not ours.dropped
    assert json.dumps(ours.scalars()) == json.dumps(theirs.scalars())
    assert curves(killed) == curves(whole)
