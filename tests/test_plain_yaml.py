"""YAML of strangers: plain values, or one line that says why not."""

import pytest
import yaml

from htmu_diag.errors import ConfigError
from htmu_diag.plain_yaml import loads_yaml

PLAIN = ["a: 1\nb: {c: [1, 2.5, true, null, x]}", "", "[]", "'*a'", "a: '&b'", "x: 1e-3", "a: 0x1F"]


@pytest.mark.parametrize("text", PLAIN)
def test_plain_yaml_reads_as_the_library_reads_it(text: str) -> None:
    assert loads_yaml(text) == yaml.safe_load(text)


def test_a_date_stays_text() -> None:
    assert loads_yaml("a: 2026-01-01") == {"a": "2026-01-01"}


BOMB = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(8)
)
HOSTILE = {
    "nine to the eighth": BOMB,
    "an alias to itself": "a: &a [*a]",
    "a merge": "x: &x {a: 1}\ny:\n  <<: *x",
    "3,000 levels": "[" * 3000,
    "3,000 closed levels": "[" * 3000 + "]" * 3000,
    "blocks": "\n".join("  " * i + "a:" for i in range(300)),
    "400 digits": "a: " + "1" * 400,
    "5,000 digits": "a: " + "1" * 5000,
    "bytes": "a: !!binary aGFsbG8=",
    "a set": "a: !!set {x, y}",
    "an object": "!!python/object/apply:os.system [true]",
    "no YAML": "a: [1",
    "a list as key": "? [1, 2]\n: 3",
    "control characters": "a: \x07",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_more_than_plain_values_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loads_yaml(HOSTILE[name])
    assert "\n" not in str(caught.value)


def test_a_key_stands_twice_only_where_it_does() -> None:
    with pytest.raises(ConfigError, match="unhashable"):
        loads_yaml("? [a]\n: 1\nb: 2")
    assert len(loads_yaml("".join(f"k{place}: {place}\n" for place in range(2000)))) == 2000
