"""Models of the transformers library: dictionaries in, output objects out, tied embeddings."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from htmu_diag.operators import empirical_ntk, ntk_operator
from htmu_diag.operators.sample_function import SampleFunction
from tests.later import Later

pytestmark = pytest.mark.xdist_group("transformers")
transformers = Later("transformers")


def last_logits(result: Any) -> Tensor:
    logits: Tensor = result.logits
    return logits[:, -1, :5]


def gpt2() -> tuple[nn.Module, dict[str, Tensor], Any]:
    torch.manual_seed(0)
    sizes = {"vocab_size": 23, "n_positions": 8, "n_embd": 8, "n_layer": 1, "n_head": 2}
    config = transformers.GPT2Config(**sizes, bos_token_id=0, eos_token_id=0)
    return transformers.GPT2LMHeadModel(config), {"input_ids": torch.randint(0, 23, (3, 6))}, last_logits


def bert() -> tuple[nn.Module, dict[str, Tensor], Any]:
    torch.manual_seed(0)
    sizes = {"vocab_size": 23, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.BertConfig(**sizes, intermediate_size=16, max_position_embeddings=8, num_labels=3)
    inputs = {"input_ids": torch.randint(0, 23, (3, 6)), "attention_mask": torch.ones(3, 6, dtype=torch.long)}
    return transformers.BertForSequenceClassification(config), inputs, None


@pytest.mark.parametrize("make", [gpt2, bert])
def test_kernels_and_products_equal_the_dense_construction(make: Any) -> None:
    model, inputs, output = make()
    model = model.double().eval()
    options = {"output": output} if output else {}
    outputs = SampleFunction(model, inputs, **options)(0, 3).flatten()
    parameters = list(model.parameters())
    rows = []
    for value in outputs:
        found = torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True)
        filled = [torch.zeros_like(p) if g is None else g for g, p in zip(found, parameters, strict=True)]
        rows.append(torch.cat([g.flatten() for g in filled]))
    jacobian = torch.stack(rows)
    kernel = empirical_ntk(model, inputs, outputs="full", **options)
    assert torch.allclose(kernel.matrix, jacobian @ jacobian.T, rtol=1e-10, atol=1e-12)
    vector = torch.randn(len(outputs), dtype=torch.float64)
    product = ntk_operator(model, inputs, **options) @ vector
    assert torch.allclose(product, jacobian @ (jacobian.T @ vector), rtol=1e-9, atol=1e-11)


def test_only_shared_positions_need_torch_func() -> None:
    model, inputs, output = gpt2()
    plan = empirical_ntk(model.eval(), inputs, output=output).plan
    loose = {s.parameter.name for each in plan.passes for s in each.steps if not s.parameter.covered}
    assert loose == {"transformer.wpe.weight"}
