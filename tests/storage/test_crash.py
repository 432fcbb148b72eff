"""kill -9 at any moment loses at most the step that was being written."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

# A nursery imports once and forks a writer for each kill. A writer tells every step that `write` has returned for;
# the value in the record says which attempt wrote it.
NURSERY = """
import glob, json, os, random, signal, sys, time, warnings
import numpy as np
from htmu_diag.spectrum import Kind, Source, Spectrum
from htmu_diag.storage import Store, load_run, store as writing

warnings.simplefilter("error")
root, kills, rng = sys.argv[1], int(sys.argv[2]), random.Random(7)
source = Source(Kind.WEIGHTS, "fc", (400, 400))

def write_until_killed(attempt, start, told):
    writing.TOGETHER = (5, 1, 1000)[attempt % 3]  # packed all the time, or never
    store = Store(root, start_step=start, info={"attempt": attempt}, fsync=attempt % 2 == 0)
    for step in range(start, start + 10**6):
        store.write(step, [Spectrum.exact(np.full(400, attempt * 10.0**6 + step), source)] * 8)
        os.write(told, step.to_bytes(8, "little"))

expected, lost, run, segments = {}, 0, None, 0
for attempt in range(kills):
    start = rng.randint(max(0, len(expected) - 5), len(expected))
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(told)
        write_until_killed(attempt, start, tell)
    os.close(tell)
    first = os.read(told, 8) if rng.random() < 0.8 else b""
    time.sleep(rng.uniform(0.0, 0.03))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    data = first
    while chunk := os.read(told, 8000):
        data += chunk
    os.close(told)
    if len(opened := glob.glob(f"{root}/spectra/[0-9]*")) > segments:  # else killed before it superseded anything
        segments = len(opened)
        expected = {s: a for s, a in expected.items() if s <= start > 0}
    acknowledged = [int.from_bytes(data[i:i + 8], "little") for i in range(0, len(data), 8)]
    expected.update({step: attempt for step in acknowledged})
    run = run or (load_run(root) if os.path.isdir(f"{root}/spectra") else None)
    steps = run.steps if run else ()
    untold = acknowledged[-1] + 1 if acknowledged else start  # may be complete: killed before it could tell
    assert set(steps) - set(expected) <= {untold}, (steps, start, acknowledged)
    checked = steps if attempt == kills - 1 else {untold, *acknowledged[-3:]}.intersection(steps)
    found = {s: int(run.spectra(s)[7].values[0] // 10**6) for s in checked}
    if found.get(untold) == attempt:  # at the step of a resume it takes the place of an earlier attempt's
        expected[untold] = attempt
    lost += sum(found.get(s) != a for s, a in expected.items() if s in checked or s not in steps)
    assert set(found) <= set(expected), (found, expected)
print(json.dumps({"steps": len(expected), "lost": lost, "listed_twice": len(steps) - len(set(steps))}))
"""


def test_thirty_random_kills_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", NURSERY, str(tmp_path / "run"), "30"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["lost"], result["listed_twice"]) == (0, 0)
    assert result["steps"] > 0
