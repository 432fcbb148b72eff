"""Real architectures: every matrix by name and shape against an independent walk of the state dict."""

import math

import pytest
import torch
from torch import nn

from htmu_diag.matrices import matrices
from tests.later import Later

pytestmark = pytest.mark.xdist_group("transformers")
torchvision = Later("torchvision")
transformers = Later("transformers")

Shapes = dict[str, tuple[int, int]]


def unfolded(model: nn.Module) -> Shapes:
    """What a walk of the state dict that knows nothing but shapes expects: leading side by all the others."""
    parameters = {name: p for name, p in model.named_parameters() if p.ndim > 1}
    return {name: (p.shape[0], math.prod(p.shape[1:])) for name, p in parameters.items()}


def found(model: nn.Module, **options: bool) -> Shapes:
    inventory = matrices(model, **options)  # type: ignore[arg-type]
    covered = {matrix.parameter for matrix in inventory} | {skip.name for skip in inventory.skipped}
    assert {name for name, _ in model.named_parameters(remove_duplicate=False)} <= covered
    return {matrix.name: matrix.shape for matrix in inventory}


def without_memory(build) -> nn.Module:  # type: ignore[no-untyped-def]
    """A model whose weights are not initialised: only names and shapes matter here."""
    with torch.device("meta"):
        model = build()
    return model.to_empty(device="cpu")  # type: ignore[no-any-return]


def test_resnet18_and_vgg11_are_their_kernels_and_classifiers() -> None:
    for build in (torchvision.models.resnet18, torchvision.models.vgg11_bn):
        model = without_memory(build)
        assert found(model) == unfolded(model)


def test_vit_b_16_is_split_into_queries_keys_and_values() -> None:
    model = without_memory(torchvision.models.vit_b_16)
    expected: Shapes = {}
    for name, shape in unfolded(model).items():
        if name.endswith("in_proj_weight"):
            expected |= {f"{name}.{part}": (768, 768) for part in "qkv"}
        elif name == "encoder.pos_embedding":
            expected[name] = (197, 768)
        elif name != "class_token":
            expected[name] = shape
    assert found(model) == expected
    assert len(found(model, heads=True)) == len(expected) + 12 * 3 * 11


def test_bert_is_its_linear_maps_and_embeddings_with_roles() -> None:
    config = transformers.BertConfig(
        hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=40, vocab_size=50
    )
    model = transformers.BertModel(config)
    assert found(model) == unfolded(model)
    roles = {m.role for m in matrices(model, include=("encoder.layer.0.attention.self",))}
    assert roles == {"query", "key", "value"}
    heads = matrices(model, heads=True, include=("encoder.layer.0.attention.self",))
    assert [m.shape for m in heads] == [(8, 24)] * 9


def test_gpt2_is_transposed_split_and_its_tied_head_counted_once() -> None:
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(n_embd=24, n_layer=2, n_head=3, vocab_size=50))
    expected: Shapes = {}
    for name, shape in unfolded(model).items():
        if name.endswith("c_attn.weight"):
            expected |= {f"{name}.{part}": (24, 24) for part in "qkv"}
        else:
            expected[name] = shape[::-1] if ".h." in name else shape
    assert found(model) == expected
    head = next(skip for skip in matrices(model).skipped if skip.name == "lm_head.weight")
    assert head.reason == "tied to transformer.wte.weight, which is measured once under that name"
    weight = model.transformer.h[0].attn.c_attn.weight
    torch.testing.assert_close(matrices(model)["transformer.h.0.attn.c_attn.weight.k"].read(), weight[:, 24:48].T)


def test_an_lstm_classifier_is_its_gates() -> None:
    class Tagger(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.lstm = nn.Embedding(30, 6), nn.LSTM(6, 8, num_layers=2)
            self.out = nn.Linear(8, 5)

    expected: Shapes = {"embed.weight": (30, 6), "out.weight": (5, 8)}
    for layer, inputs in ((0, 6), (1, 8)):
        expected |= {f"lstm.weight_ih_l{layer}.{gate}": (8, inputs) for gate in "ifgo"}
        expected |= {f"lstm.weight_hh_l{layer}.{gate}": (8, 8) for gate in "ifgo"}
    assert found(Tagger()) == expected


def test_a_mixture_of_experts_gives_one_matrix_for_each_expert() -> None:
    config = transformers.MixtralConfig(
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=2,
        num_local_experts=3,
        vocab_size=20,
    )
    model = transformers.MixtralModel(config)
    stacked = {name: p for name, p in model.named_parameters() if "experts" in name and p.ndim == 3}
    expected = {f"{name}.expert{e}": tuple(p.shape[1:]) for name, p in stacked.items() for e in range(3)}
    assert expected
    assert {name: shape for name, shape in found(model).items() if ".expert" in name} == expected


@pytest.mark.parametrize("name", ["GPTNeoX", "Bloom"])
def test_interleaved_attention_is_split_as_the_model_itself_splits_it(name: str) -> None:
    config = getattr(transformers, f"{name}Config")(
        hidden_size=16, num_hidden_layers=1, n_layer=1, num_attention_heads=4
    )
    config.vocab_size = 20
    model = getattr(transformers, f"{name}Model")(config)
    (weight,) = (p for n, p in model.named_parameters() if n.endswith("query_key_value.weight"))
    values = next(m for m in matrices(model) if m.name.endswith("query_key_value.weight.v"))
    torch.testing.assert_close(values.read(), weight.detach().reshape(4, 3, 4, 16)[:, 2].reshape(16, 16))
