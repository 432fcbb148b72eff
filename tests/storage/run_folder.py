"""Makes ``run_folder.json``, a whole run folder as text: ``python tests/storage/run_folder.py``, once for each format.

A later version has to read it: it is never made again for a format that has been used.
"""

import base64
import json
import tempfile
from pathlib import Path

import numpy as np

from htmu_diag.analysis import Options, Reading, diagnose
from htmu_diag.spectrum import Estimator, Kind, Source, Spectrum
from htmu_diag.storage import PROBE_BATCH, Store, store

FIXTURE = Path(__file__).parent / "run_folder.json"
OPTIONS = Options(bootstrap=0, tail_only=True)
TEXTS = (".json", ".jsonl")


def spectra(step: int) -> list[Spectrum]:
    """Three spectra, one of each form, by a formula that any version can repeat."""
    values = (np.arange(1, 25) + step) ** 2 / 64.0
    weights = Spectrum.exact(
        values, Source(Kind.WEIGHTS, "fc/重み.weight", (24, 60), step, "squares"), routine="by hand"
    )
    ntk = Spectrum.top_k([3.0, 9.5], 100, Source(Kind.NTK, "model", (100, 100), step), scalars={"sketch_error": 0.25})
    hessian = Source(Kind.HESSIAN, "model", (50, 50), step)
    nodes = Spectrum(np.array([-1.0, 0.5]), np.array([0.25, 0.75]), 50, hessian, Estimator("quadrature", "slq", 3))
    return [weights, ntk, nodes]


def write(folder: Path) -> None:
    """Two attempts, the first one packed; a step without numbers."""
    store.FEWEST = 3
    info = {"schema": 1, "options": vars(OPTIONS), "config": {"lr": 0.5}, "versions": {"htmu_diag": "0.1.0"}}
    with Store(folder, info=info, fsync=False) as writer:
        writer.keep(PROBE_BATCH, {"rows": np.arange(4)})
        for step in (0, 10, 20):
            _step(writer, step)
    store.FEWEST = 100
    with Store(folder, info={**info, "seed": 7}, start_step=10, fsync=False) as writer:
        _step(writer, 15)
        writer.write(20, spectra(20), wall_time=20.5, events=["killed before its numbers"])


def _step(writer: Store, step: int) -> None:
    found = spectra(step)
    writer.write(step, found, wall_time=step + 0.5, scalars={"loss": 1.0 / (1 + step)}, events=[f"said at {step}"])
    writer.write_numbers(step, found, [Reading.of(diagnose(s, OPTIONS)) for s in found], OPTIONS, wall_time=step + 0.5)
    writer.log(step + 1, {"lr": 0.125}, wall_time=step + 1.0, events=["logged"])


def content(folder: Path) -> dict[str, str]:
    """Path -> the text of a file, or its bytes in base 64."""
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"):
        data = path.read_bytes()
        text = data.decode() if path.suffix in TEXTS else base64.b64encode(data).decode()
        found[path.relative_to(folder).as_posix()] = text
    return found


def unfold(folder: Path) -> Path:
    """The folder as it was."""
    for name, text in json.loads(FIXTURE.read_text(encoding="utf-8")).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if path.suffix in TEXTS else base64.b64decode(text))
    return folder


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        write(Path(made))
        FIXTURE.write_text(json.dumps(content(Path(made)), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
