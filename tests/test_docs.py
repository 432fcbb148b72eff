"""The documentation says what is so: links lead somewhere, tables are the package's, examples and commands run."""

from __future__ import annotations

import importlib
import inspect
import re
import runpy
import shlex
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import htmu_diag
from htmu_diag.analysis import QUANTITIES
from htmu_diag.cli import COMMANDS
from htmu_diag.plain_yaml import loads_yaml
from htmu_diag.probes import registry as probes
from htmu_diag.sinks import registry as sinks

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("docs/**/*.md"), *(ROOT / name for name in ("README.md", "CONTRIBUTING.md"))])
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "docs_pages.py"))
SPELT_OUT = (
    "probes",
    "sinks",
    "how-to",
    "extending",
    "tutorials/fine-tuning",
)  # pages whose examples need nothing of the reader
LONG = {"decisions"}  # a page for each room in the site
LINK = re.compile(r"\]\((?!https?:)([^)\s]+)\)")
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def text_of(page: Path) -> str:
    return re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def anchors_of(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", title.lower()).strip()) for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_a_link_leads_to_a_page_and_a_heading_of_it(page: Path) -> None:
    for target in LINK.findall(text_of(page)):
        path, _, anchor = target.partition("#")
        found = (page.parent / path) if path else page
        assert found.exists(), target
        assert not anchor or anchor in anchors_of(found), target


@pytest.mark.parametrize("page", [p for p in PAGES if p.stem not in LONG], ids=lambda page: page.stem)
def test_a_page_is_read_in_ten_minutes(page: Path) -> None:
    prose = re.sub(r"^\|.*$", "", text_of(page), flags=re.MULTILINE)
    assert len(prose.split()) < 2000


def test_the_decisions_are_read_room_by_room_and_nothing_is_lost() -> None:
    whole = (ROOT / "docs/decisions.md").read_text(encoding="utf-8")
    pages = SCRIPT["decisions"](whole)
    index = pages.pop("decisions")
    assert re.findall(r"\]\((decisions-[\w ]+)\.md\)", index) == list(pages)
    assert max(len(page.split()) for page in pages.values()) < 2000
    assert len(pages) == len(re.findall("^## ", whole, flags=re.MULTILINE)) > 20
    rejoined = "".join(page.replace("# Decisions: ", "## ", 1) for page in pages.values())
    assert whole.endswith(rejoined)


def test_every_page_has_its_place_in_the_site() -> None:
    site = loads_yaml((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    named = set(re.findall(r"'([^']+\.md)'", repr(site["nav"])))
    made = {"docs/reference/cli.md", "docs/reference/api.md"}
    others = {"CHANGELOG.md", "benchmarks/RESULTS.md", "benchmarks/HISTORY.md"}
    assert named - made - others == set(NAMES)


def test_the_tables_of_probes_and_sinks_are_the_registries() -> None:
    for page, registry in (("probes", probes), ("sinks", sinks)):
        rows = re.findall(r"^\| `(\w+)` \|", (ROOT / f"docs/{page}.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert sorted(rows) == sorted(registry)


@pytest.mark.parametrize("page", SPELT_OUT)
def test_the_examples_of_a_page_run_in_order(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / f"docs/{page}.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    assert blocks
    names: dict[str, Any] = {}
    numbers = dict(QUANTITIES)  # a probe of one's own adds its own, for the rest of the process
    try:
        for block in blocks:
            exec(block, names)
    finally:
        QUANTITIES.clear()
        QUANTITIES.update(numbers)


def test_every_command_that_is_named_exists_and_takes_what_is_shown() -> None:
    shown = {line for page in PAGES for line in re.findall(r"`htmu (\w+ [^`\n]*)`", text_of(page))}
    named = {line for page in PAGES for line in re.findall(r"`htmu (\w+)", text_of(page))}
    assert named <= COMMANDS.keys()
    simple = [line for line in sorted(shown) if line.split()[0] in ("show", "compare", "report", "export")]
    assert len(simple) >= 4
    for line in simple:
        command, *words = shlex.split(line.partition(" > ")[0])
        if not any(word.isupper() or "RUN" in word for word in words):
            importlib.import_module(f"htmu_diag.cli.{COMMANDS[command][0]}").parser().parse_args(words)


def test_a_script_that_a_page_shows_is_there() -> None:
    shown = {name for page in PAGES for name in re.findall(r'--8<-- "(.+?)"', page.read_text(encoding="utf-8"))}
    assert shown == {f"scripts/{name}.py" for name in ("nanogpt_loop", "finetune_lora", "gan_lightning", "fsdp2_job")}
    assert all((ROOT / name).is_file() for name in shown)


def test_the_command_line_s_page_is_what_the_parsers_print() -> None:
    page = SCRIPT["commands_page"]()
    for name, (_, summary) in COMMANDS.items():
        assert f"## htmu {name}" in page
        assert summary in page
    assert page.count("usage: htmu") >= len(COMMANDS) + 1


def test_the_interface_s_page_names_what_can_be_found() -> None:
    found = SCRIPT["interface"]()
    assert found.keys() == SCRIPT["ROOMS"].keys()
    places = {name: place for room in found.values() for name, place in room.items()}
    assert places["htmu_diag.watch"] == "htmu_diag.monitor.watch.watch"
    assert "htmu_diag.sinks.WandbSink" in places
    for public, place in places.items():
        (module, _, name), (home, _, _) = public.rpartition("."), place.rpartition(".")
        value = getattr(importlib.import_module(module), name)
        assert value.__doc__
        assert getattr(importlib.import_module(home), value.__name__) is value


def test_what_a_docstring_explains_is_a_list_in_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "griffe", SimpleNamespace(Extension=object, Object=object, Function=object))
    script = runpy.run_path(str(ROOT / "scripts" / "docs_docstrings.py"))
    text = inspect.getdoc(htmu_diag.watch) or ""
    names = inspect.signature(htmu_diag.watch).parameters
    said = script["listed"](text, names)
    items = re.findall(r"^- ((?:`\w+`(?:, )?)+): \S", said, flags=re.MULTILINE)
    assert {name for item in items for name in re.findall(r"\w+", item)} == {*names}
    words = re.sub(r"[-`]", "", said).split()
    assert words == re.sub(r"[-`]", "", text).split()  # nothing is lost
    assert (
        script["listed"]("A pair: two of them.\n\nother: unknown", ["pair"]) == "A pair: two of them.\n\nother: unknown"
    )
    assert script["fenced"](">>> 1\n1\n") == "```pycon\n>>> 1\n1\n```\n"


def test_every_test_that_holds_a_promise_exists() -> None:
    page = (ROOT / "docs/promises.md").read_text(encoding="utf-8") + (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", page))
    assert len(named) > 80
    for file, test in sorted(named):
        assert not test or f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file}::{test}"
        assert (ROOT / file).is_file(), file
