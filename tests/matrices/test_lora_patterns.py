"""Keys of ``alpha_pattern``: as peft reads them where that is bounded, and never longer than a moment."""

import re

import pytest

from htmu_diag.matrices.lora_patterns import Patterns

LAYERS = [f"model.layers.{i}.{part}" for i in (1, 11) for part in ("self_attn.q_proj", "mlp.q_proj", "self_attn.o")]


@pytest.mark.parametrize(
    "key",
    ["q_proj", "self_attn.q_proj", r"self_attn\.q_proj", ".*q_proj", r"layers\.\d+\.mlp\.q_proj", "layers.1.mlp.q_proj",
     "(mlp|self_attn).q_proj", "^model.layers.1.*", "[qk]_proj", "q_proj$", "none"],
)  # fmt: skip
def test_a_key_means_the_layers_that_peft_means(key: str) -> None:
    patterns = Patterns({key: 3})
    assert patterns.readable
    expected = [3 if re.match(rf"(.*\.)?({key})$", layer) else None for layer in LAYERS]
    assert [patterns.found(layer) for layer in LAYERS] == expected


@pytest.mark.parametrize(
    "key", ["([a-z_.0-9]+)+!", "(a|a)*b", "(.*)*x", ".*.*.*.*.*.*.*x", "(",
     "a{1,99999}", "(?=x)", r"(a)\1", "x" * 500 + "*"],
)  # fmt: skip
def test_an_expression_without_a_bound_is_not_matched(key: str) -> None:
    patterns = Patterns({key: 3})
    assert not patterns.readable
    assert patterns.found("a" * 5000) is None


@pytest.mark.parametrize("table", [[1, 2], "q_proj", 3])
def test_a_table_that_is_none_says_nothing(table: object) -> None:
    assert not Patterns(table).readable
    assert Patterns(table).found("q_proj") is None


def test_matching_ends_after_a_bounded_number_of_expressions() -> None:
    patterns = Patterns({".*a.*b": 1})
    for layer in range(6000):
        patterns.found(f"{'a' * 100}.{layer}")
    assert not patterns.readable
