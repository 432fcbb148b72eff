"""Every bundled model maps its inputs to logits and has gradients everywhere."""

from __future__ import annotations

import pytest
import torch

from htmu_diag.config import ModelConfig
from htmu_diag.errors import ConfigError
from htmu_diag.training.models import CharTransformer, build_model
from htmu_diag.training.objective import cross_entropy, evaluate

IMAGES = ["mlp", "lenet", "alexnet", "resnet9"]


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32)])
@pytest.mark.parametrize("name", IMAGES)
def test_an_image_model_gives_logits_and_every_parameter_a_gradient(name: str, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    model = build_model(ModelConfig(name=name, channels=4, widths=(20,)), shape, 10)  # type: ignore[arg-type]
    logits = model(torch.randn(4, *shape))
    cross_entropy(logits, torch.tensor([0, 1, 2, 3])).backward()  # type: ignore[no-untyped-call]
    assert logits.shape == (4, 10)
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_the_transformer_sees_only_the_past() -> None:
    torch.manual_seed(0)
    model = CharTransformer(50, context=12, embedding=16, heads=2, layers=2).eval()
    text = torch.randint(50, (1, 12))
    changed = text.clone()
    changed[0, 8:] = (text[0, 8:] + 1) % 50
    one, other = model(text), model(changed)
    assert torch.equal(one[:, :8], other[:, :8])
    assert not torch.equal(one[:, 8:], other[:, 8:])


def test_the_transformer_has_a_second_derivative() -> None:
    torch.manual_seed(0)
    model = CharTransformer(20, context=6, embedding=8, heads=2, layers=1).double()
    loss = cross_entropy(model(torch.randint(20, (2, 6))), torch.randint(20, (2, 6)))
    weight = model.blocks[0].attention.query.weight
    (gradient,) = torch.autograd.grad(loss, weight, create_graph=True)
    (second,) = torch.autograd.grad(gradient.square().sum(), weight)
    assert float(second.abs().max()) > 0


def test_a_text_model_refuses_images_and_the_reverse() -> None:
    with pytest.raises(ConfigError, match="choose mlp"):
        build_model(ModelConfig(name="char_transformer"), (3, 32, 32), 10)
    with pytest.raises(ConfigError, match="choose char_transformer"):
        build_model(ModelConfig(name="mlp"), (64,), 128)


def test_evaluation_weights_ragged_batches_and_keeps_the_mode() -> None:
    torch.manual_seed(0)
    model = torch.nn.Linear(5, 3).train()
    inputs, targets = torch.randn(10, 5), torch.randint(3, (10,))
    whole = evaluate(model, [(inputs, targets)])
    parts = evaluate(model, [(inputs[:7], targets[:7]), (inputs[7:], targets[7:])])
    assert parts.loss == pytest.approx(whole.loss, rel=1e-6)
    assert parts.accuracy == pytest.approx(whole.accuracy)
    assert model.training
