"""What is computed for `numbers` from run folders: bytes of records, places in a pack, and what is said of damage."""

import io
import json
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from htmu_diag.errors import HTMUError
from htmu_diag.storage import load_run
from htmu_diag.storage.export import export
from htmu_diag.storage.git_head import head_commit
from htmu_diag.storage.information import RunInformation
from htmu_diag.storage.log import LOG, holds_a_run, visible_lines
from htmu_diag.storage.pack import INDEX, LARGEST, append_places, pack, read_index
from htmu_diag.storage.segments import Segment, find_record, record_name, record_step, segments, visible_records
from htmu_diag.storage.tables import columns, curves
from htmu_diag.storage.whereabouts import no_kind, no_layer, no_run
from tests.storage.run_folder import unfold


def inside(work: Callable[[Path], Any]) -> Any:
    """What it gives in a folder of its own, with its warnings; the folder's name is nowhere in it."""
    with tempfile.TemporaryDirectory() as made, warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            found = work(Path(made))
        except (HTMUError, ValueError) as error:
            found = f"{type(error).__name__}: {error}"
        told = [found, *(str(warning.message) for warning in heard)]
    return json.loads(json.dumps(told, default=str).replace(f"{made}/", "").replace(made, "."))


def packed(folder: Path) -> Any:
    sizes = {0: 10, 5: 0, 3: 17, 8: LARGEST, 9: LARGEST + 1}
    files = {step: folder / record_name(step) for step in sizes}
    for step, size in sizes.items():
        files[step].write_bytes(bytes([step]) * size)
    pack(folder, files, fsync=True)
    left = sorted(path.name for path in folder.glob("*.safetensors"))
    first = read_index(folder / INDEX).tolist()
    content = (folder / INDEX).read_bytes()
    (folder / INDEX).write_bytes(content + bytes(16))
    append_places(folder / INDEX, [(11, 24, 8)], fsync=False)
    torn = bytearray((folder / INDEX).read_bytes())
    torn[3 * 32] += 1
    (folder / "torn").write_bytes(torn)
    again = read_index(folder / INDEX).tolist(), read_index(folder / "torn").tolist()
    found = {step: str(slot) for step, slot in Segment(0, 0, folder).records().items()}
    return left, first, content.hex(), again, found, str(Segment(0, 0, folder).find_packed(3))


def attempts(folder: Path) -> Any:
    names = ["0000-from-0", "0001-from-20", "0002-from-10", "0003-from-x", "12345-from-5", "003-from-1"]
    for name in names:
        (folder / "spectra" / name).mkdir(parents=True)
        for step in (0, 5, 10, 15, 20, 25):
            (folder / "spectra" / name / record_name(step)).touch()
    (folder / "spectra" / "0004-from-0").touch()
    found = segments(folder)
    superseded = {str(segment.path): [step for step in range(0, 26) if segment.supersedes(step)] for segment in found}
    places = {step: str(slot) for step, slot in visible_records(found).items()}
    one = {step: str(find_record(found[:count], step)) for count in (1, 2, 4) for step in (0, 5, 10, 20, 30)}
    names = [path.name for path in (folder / "spectra" / "0000-from-0").iterdir()]
    steps = sorted(
        str(record_step(Path(name))) for name in (*names, "x.safetensors", "1.json", f"{'1' * 19}.safetensors")
    )
    return [s.number for s in found], str(Segment.after(folder, 7)), superseded, places, one, steps


def logged(folder: Path) -> Any:
    lines: list[Any] = [
        {"step": 1, "wall_time": 2, "scalars": {"a": 1}},
        {"step": 2, "wall_time": "3", "scalars": {"a": "4"}, "events": ["said"]},
        {"step": 3.0, "wall_time": 2, "scalars": {}},
        {"step": 4, "wall_time": 2, "scalars": {}, "events": [5]},
        {"step": 5, "scalars": {}},
        [1],
        {"step": 30, "wall_time": 2, "scalars": {}},
    ]
    for name in ("0000-from-0", "0001-from-3"):
        place = folder / "spectra" / name
        place.mkdir(parents=True)
        (place / LOG).write_text("\n".join(map(json.dumps, lines)) + "\nno line\n" + json.dumps(lines[0]))
    return [vars(line) for line in visible_lines(segments(folder))], holds_a_run(folder), holds_a_run(folder / "x")


def runs(folder: Path) -> Any:
    found = []
    for number in range(7):
        (folder / f"run{number}" / "spectra").mkdir(parents=True)
        found.append([no_run(folder), no_run(folder / "rum1"), no_run(folder / "other")])
    (folder / "deep" / "runs" / "x" / "spectra").mkdir(parents=True)
    names = ["a.b", "a.c", "b.d", "e", "f"]
    layers = [no_layer(name, names[:count]) for name in ("a.d", "z") for count in (3, 4, 5)]
    return found, no_run(folder / "deep"), layers, no_kind("weight", ["weights", "ntk"]), no_kind("x", ["ntk"])


def commits(folder: Path) -> Any:
    sha, other = "0123456789" * 4, "a" * 64
    heads = {
        "detached": sha,
        "long": other,
        "short": sha[:-1],
        "upper": sha.upper(),
        "up": "ref: ../x",
        "root": "ref: /x",
    }
    heads |= {"branch": "ref: refs/heads/main", "packed": "ref: refs/heads/old", "none": "ref: refs/heads/no"}
    found = {}
    for name, head in heads.items():
        git = folder / name / ".git"
        (git / "refs" / "heads").mkdir(parents=True)
        (git / "HEAD").write_text(f"{head}\n")
        (git / "refs" / "heads" / "main").write_text(f"{other}\n")
        (git / "packed-refs").write_text(
            f"# pack-refs with: peeled\n{other} refs/heads/x\n{sha} refs/heads/old\n^{sha}\n"
        )
        (folder / name / "deep").mkdir()
        found[name] = head_commit(folder / name), head_commit(folder / name / "deep")
    tree = folder / "tree"
    tree.mkdir()
    (tree / ".git").write_text("gitdir: ../branch/.git/worktrees/tree\n")
    place = folder / "branch" / ".git" / "worktrees" / "tree"
    place.mkdir(parents=True)
    (place / "HEAD").write_text("ref: refs/heads/old")
    (place / "commondir").write_text("../..\n")
    return found | {"tree": head_commit(tree), "nothing": head_commit(Path("/"))}


def options(folder: Path) -> Any:
    reader = RunInformation()
    values = [None, True, -1, 0, 3, 100_000, 100_001, 2**63, 2**63 + 1, 1.5, "x"]
    names = vars(reader.options({}))
    taken = {f"{name}={value}": vars(reader.options({name: value}))[name] for name in names for value in values}
    texts = {"list": "[1]", "torn": "{", "fine": '{"a": 1}'}
    for name, text in texts.items():
        (folder / name).write_text(text)
    return taken, vars(reader.options(3)), {name: reader.read(folder / name) for name in (*texts, "missing")}


def whole_run(folder: Path) -> Any:
    """The run that the tests of the format keep as text, by every way to read it."""
    run = load_run(unfold(folder))
    texts: dict[str, str] = {}
    for form in ("csv", "json"):
        stream = io.StringIO()
        export(run.records(fit=False), form, stream)  # type: ignore[arg-type]
        texts[form] = stream.getvalue()
    table = columns(run.records(fit=False))
    found = [
        curves(list(run.records(fit=False)), quantity, "weights") for quantity in ("alpha", "lambda_max", "rows")[:2]
    ]
    names = run.names(), run.layers, run.kinds, run.steps, run.undiagnosed(), run.start_step, repr(run)
    said = run.scalars(), run.events(), [str(attempt.steps) for attempt in run.attempts], list(table)
    held = {hold: run.verdicts(run.names()[0], hold=hold) for hold in (None, 1, 2)}
    values = [[(s.source.name, s.values.tolist(), s.weights.tolist()) for s in run.spectra(step)] for step in (None, 0)]
    return texts, [[c.steps.tolist(), c.layers, c.values.tolist()] for c in found], names, said, held, values


def refusals(folder: Path) -> Any:
    """One sentence for each question that a run has no answer to."""
    run = load_run(unfold(folder))
    asked: list[Callable[[], Any]] = [
        lambda: run.spectra(7),
        lambda: run.spectra(14),
        lambda: run.series("fc/"),
        lambda: run.series("model", "weights"),
        lambda: run.series("model", "hessain"),
        lambda: run.names("hessain"),
        lambda: run.verdicts("x"),
        lambda: run.metrics("sharpness"),
        lambda: run.metrics("alfa"),
        lambda: load_run(folder / "x"),
    ]
    return [inside(lambda _, ask=ask: str(ask())) for ask in asked]  # type: ignore[misc]


WORK: dict[str, Callable[[Path], Any]] = {
    "pack": packed,
    "attempts": attempts,
    "log": logged,
    "runs": runs,
    "commits": commits,
    "options": options,
    "run": whole_run,
    "refusals": refusals,
}
CASES: dict[str, dict[str, Callable[[], Any]]] = {
    "storage": {name: (lambda work=work: inside(work)) for name, work in WORK.items()}  # type: ignore[misc]
}
