"""A YAML file in, named units out."""

import json
from pathlib import Path

import pytest

from htmu_diag.config import bundled_path, keys, load_config
from htmu_diag.errors import ConfigError
from htmu_diag.experiments.expect import judge
from htmu_diag.experiments.plan import bundled, load_sweep, parsed
from htmu_diag.experiments.work import check_configs, config_of, write_base


def _units(text: str):  # type: ignore[no-untyped-def]
    return parsed(text, "mine", None).units  # type: ignore[arg-type]


def test_a_grid_is_crossed_a_zip_is_side_by_side_and_seeds_repeat_both() -> None:
    units = _units("config: {}\ngrid: {a.x: [1, 2], y: [3, 4, 5]}\nzip: {u: [6, 7], v: [8, 9]}\nseeds: 2")
    assert len(units) == 2 * 3 * 2 * 2
    assert units[0].values == {"a.x": 1, "y": 3, "u": 6, "v": 8}
    assert units[-1].values == {"a.x": 2, "y": 5, "u": 7, "v": 9}
    assert units[-1].name == "x=2,y=5,u=7,v=9,seed=1"
    assert len({unit.name for unit in units}) == len(units)


def test_an_arm_adds_to_what_is_common() -> None:
    units = _units("config: {}\nset: {a: 1, b: 2}\nseeds: [5]\narms: {one: {set: {b: 3}}, two/three: {grid: {c: [4]}}}")
    assert [dict(unit.values) for unit in units] == [{"a": 1, "b": 3}, {"a": 1, "b": 2, "c": 4}]
    assert [unit.name for unit in units] == ["one,seed=5", "two_three,c=4,seed=5"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("confg: {}", "did you mean 'config'"),
        ("seeds: 2", "none of config, command and study"),
        ("config: {}\ncommand: x", "config and command"),
        ("config: {}\nseeds: 0", "number of seeds"),
        ("config: {}\ngrid: {a: 1}", "list of values"),
        ("config: {}\nzip: {a: [1], b: [1, 2]}", "one length"),
        ("config: {}\ngrid: {a: [1, 1]}", "appear twice"),
        ("command: run {lr} {out}", "{lr} is not set"),
        ("config: [", "not valid YAML"),
        ("config: {}\narms: {x: {y: 1}}", "an arm takes"),
        ("config: {}\narms: [x, y]", "arms: .*pass a mapping"),
        ("config: {}\ngrid: [a, b]", "grid: .*pass a mapping"),
        ("config: {}\nset: 3", "set: 3; pass a mapping"),
        ("config: {}\ngrid: {a: [1]}\nzip: {a: [1]}", "a stands in grid and in zip"),
        ("config: {}\ngrid: {a: [1]}\ngrid: {b: [1]}", "line 3: the key 'grid' stands twice"),
        ("command: 3", "no command line"),
        ("command: 'run \"{out}'", "no command line .No closing quotation"),
        ("command: run", "{out} is not in it"),
        ("command: run {out}\ngrid: {a: [1, 2]}", "{a} is not in it"),
        ("command: run {out}\nseeds: 2", "{seed} is not in it"),
        ("config: {}\ntable: loss", "table: pass a list, not 'loss'"),
        ("config: {}\nfigures: {x: a}", "figures: pass a list"),
        ("config: {}\nfigures: [{x: a}]", "takes x and y, or curves"),
        ("config: {}\nfigures: [{x: a, y: loss}]", "y: pass a list of names, not 'loss'"),
        ("config: {}\nfigures: [{x: a, y: [loss], log: z}]", "choose x, y or xy"),
        ("config: {}\nexpect: [loss]", "each is a mapping with keys of number"),
        ("config: {}\nexpect: [{numbr: loss, least: 1}]", "did you mean 'number'"),
        ("config: {}\nexpect: [{number: loss}]", "says nothing of the number"),
        ("config: {}\nexpect: [{number: loss, against: a, trend: up}]", "choose rises, falls, none"),
        ("config: {}\nexpect: [{number: loss, least: high}]", "least: 'high'; pass a number"),
        ("config: {}\nexpect: [{number: loss, given: [a], trend: none}]", "given goes with against"),
        (
            "config: {}\narms: {one: {}, two: {}}\nexpect: [{number: a, arm: ome, most: 1}]",
            "no arm 'ome'; did you mean 'one'",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words.replace("{", r"\{")):
        _units(text)


@pytest.mark.parametrize("name", bundled())
def test_every_bundled_sweep_is_complete_and_its_settings_are_accepted(name: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    sweep = load_sweep(name)
    assert {"title", "claim", "control"} <= set(sweep.words)
    assert sweep.expect or name == "zoo"
    varied = tuple(key for arm in sweep.arms for key in arm.varied)
    for line in sweep.expect:
        assert judge(line, [], varied).holds is None  # understood, and nothing to judge yet
    if sweep.what == "config":
        write_base(sweep, tmp_path)
        check_configs(sweep, tmp_path)
        last = sweep.units[-1]
        given = [f"--{key}={json.dumps(value)}" for key, value in last.values.items() if not isinstance(value, str)]
        given += [f"--{key}={value}" for key, value in last.values.items() if isinstance(value, str)]
        assert config_of(sweep, last, tmp_path) == load_config(tmp_path / "base.yaml", [*given, f"--seed={last.seed}"])
        assert all(key in keys() for arm in sweep.arms for key in arm.varied)


def test_a_sweep_that_is_not_there_is_met_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="did you mean 'temperature'"):
        load_sweep("temperatur")


def test_a_configuration_is_a_file_beside_the_sweep_or_the_shipped_one_of_that_name(tmp_path: Path) -> None:
    sweep = parsed("config: digits_mlp\nset: {steps: 7}", "mine", tmp_path)
    check_configs(sweep, tmp_path)
    shipped = bundled_path("digits_mlp")
    assert shipped is not None
    assert config_of(sweep, sweep.units[0], tmp_path) == load_config(shipped, ["--steps=7", "--seed=0"])
    (tmp_path / "digits_mlp").write_text("model: {widths: [31]}")
    assert config_of(sweep, sweep.units[0], tmp_path).model.widths == (31,)
    with pytest.raises(ConfigError, match="did you mean 'digits_mlp'"):
        check_configs(parsed("config: digits_mpl", "mine", tmp_path), tmp_path)


@pytest.mark.parametrize(
    "much", ["seeds: 1000000000", "grid: {" + ", ".join(f"k{i}: {list(range(100))}" for i in range(9)) + "}"]
)
def test_more_runs_than_anybody_waits_for_are_refused_before_they_are_listed(much: str) -> None:
    with pytest.raises(ConfigError, match=r"000 runs in one arm; a sweep takes up to 100,000"):
        parsed(f"config: digits_mlp\n{much}", "mine", Path())
