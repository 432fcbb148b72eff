"""What an index, a citation tool and a reader are told agrees with the package."""

from __future__ import annotations

import re
from importlib.metadata import metadata, requires
from pathlib import Path

import yaml

from htmu_diag import __version__
from htmu_diag.extras import EXTRAS

ROOT = Path(__file__).parents[2]
PAPER = "https://arxiv.org/abs/2506.03470"


def test_the_citation_is_the_paper_and_has_the_version_of_the_package() -> None:
    content = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert content["version"] == __version__
    assert content["license"] == "MIT"
    assert content["preferred-citation"]["url"] == PAPER
    names = [author["family-names"] for author in content["preferred-citation"]["authors"]]
    assert names == ["Hodgkinson", "Wang", "Mahoney"]


def test_the_metadata_name_authors_classifiers_and_only_the_paper_as_url() -> None:
    told = metadata("htmu_diag")
    assert told["Author"] == "The htmu_diag developers"
    assert told.get_all("Project-URL") == [f"Paper, {PAPER}"]
    assert {"Typing :: Typed", "Programming Language :: Python :: 3.10"} <= set(told.get_all("Classifier") or [])


def test_torch_comes_with_extras_only_and_every_extra_that_is_named_exists() -> None:
    lines = requires("htmu_diag") or []
    plain = {re.split(r"[^\w-]", line)[0] for line in lines if "extra ==" not in line}
    assert not plain & {"torch", "torchvision", "lightning", "transformers"}
    assert {"numpy", "scipy", "tensorboard", "shtab"} <= plain
    told = set(metadata("htmu_diag").get_all("Provides-Extra") or [])
    assert set(EXTRAS.values()) <= told
    with_torch = {re.search(r"extra == '(\w+)'", line)[1] for line in lines if re.match(r"torch\b", line)}  # type: ignore[index]
    assert with_torch >= {"torch", "train", "lightning", "transformers", "curvature"}
