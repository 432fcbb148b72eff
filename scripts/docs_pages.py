"""python scripts/docs_pages.py: gather the pages of the documentation in .site/pages, for `make docs`.

The pages lie there as they lie in the repository, so that links between them hold in both. Two are made here: the
commands, from their parsers, and the Python interface, from the names in ``__all__``. The decisions, one file to write
in, are a page for each room to read.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import re
import shutil
from pathlib import Path

import htmu_diag
from htmu_diag.cli import COMMANDS, main

ROOT = Path(__file__).parents[1]
PAGES = ROOT / ".site" / "pages"
ALONE = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/RESULTS.md", "benchmarks/HISTORY.md")
# what a user of the package names, room by room; the first is everything at the top
ROOMS = {
    "htmu_diag": "The top",
    "htmu_diag.probes": "Probes",
    "htmu_diag.sinks": "Sinks",
    "htmu_diag.report": "Report",
    "htmu_diag.storage": "Storage",
    "htmu_diag.integrations.lightning": "Lightning",
    "htmu_diag.integrations.transformers": "Hugging Face Trainer",
    "htmu_diag.integrations.distributed": "Jobs of several ranks",
    "htmu_diag.laws": "Laws",
    "htmu_diag.fits": "Fits",
}


def commands_page() -> str:
    """``htmu --help``, then the help of every command, as their parsers print it."""
    parts = ["# The command line", _block(_help_of([]))]
    for name in COMMANDS:
        parts += [f"## htmu {name}", _block(_help_of([name, "--help"]))]
    return "\n\n".join(parts) + "\n"


def interface() -> dict[str, dict[str, str]]:
    """Room -> its public classes and functions, each once: the name that one imports -> where it is defined."""
    seen: set[int] = set()
    found: dict[str, dict[str, str]] = {}
    for room in ROOMS:
        module = importlib.import_module(room)
        for name in sorted(module.__all__):
            value = getattr(module, name)
            ours = str(getattr(value, "__module__", "")).startswith("htmu_diag.")
            if ours and callable(value) and value.__doc__ and id(value) not in seen:
                seen.add(id(value))
                found.setdefault(room, {})[f"{room}.{name}"] = f"{value.__module__}.{value.__qualname__}"
    return found


def interface_page() -> str:
    """A directive for each public name, which mkdocstrings replaces by its docstring."""
    parts = ["# The Python interface", f"Version {htmu_diag.__version__}, from the docstrings."]
    for room, places in interface().items():
        parts += [f"## {ROOMS[room]}: `{room}`", *(_directive(name, place) for name, place in places.items())]
    return "\n\n".join(parts) + "\n"


def _directive(name: str, place: str) -> str:
    short = name.rpartition(".")[2]
    options = {"heading_level": "3", "heading": name, "toc_label": short}
    return f"::: {place}\n    options:\n" + "\n".join(f"      {key}: {value}" for key, value in options.items())


def decisions(text: str) -> dict[str, str]:
    """Name -> page: one for each heading of docs/decisions.md, and ``decisions``, which lists them."""
    head, *rooms = re.split(r"^## ", text, flags=re.MULTILINE)
    names = [room.partition("\n")[0].strip() for room in rooms]
    pages = {f"decisions-{name}": f"# Decisions: {room}" for name, room in zip(names, rooms, strict=True)}
    listed = [
        f"- [{name}](decisions-{name}.md), {len(room.split()):,} words" for name, room in zip(names, rooms, strict=True)
    ]
    return {"decisions": head + "\n".join(listed) + "\n", **pages}


def gather(pages: Path = PAGES) -> None:
    """Write all pages anew."""
    shutil.rmtree(pages, ignore_errors=True)
    shutil.copytree(ROOT / "docs", pages / "docs")
    for name in ALONE:
        (pages / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, pages / name)
    for name, text in decisions((ROOT / "docs" / "decisions.md").read_text(encoding="utf-8")).items():
        (pages / "docs" / f"{name}.md").write_text(text, encoding="utf-8")
    reference = pages / "docs" / "reference"
    reference.mkdir()
    (reference / "cli.md").write_text(commands_page(), encoding="utf-8")
    (reference / "api.md").write_text(interface_page(), encoding="utf-8")


def _help_of(arguments: list[str]) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        main(arguments)
    return out.getvalue().strip()


def _block(text: str) -> str:
    return f"```text\n{text}\n```"


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    gather()
    print(f"{PAGES.relative_to(ROOT)}: {sum(1 for _ in PAGES.rglob('*.md'))} pages")
