"""Data depend on the configuration and the step only."""

from __future__ import annotations

import pytest
import torch

from htmu_diag.config import DataConfig
from htmu_diag.training.datasets import Samples, Text, load_dataset
from htmu_diag.training.datasets.base import epoch_indices


def test_an_epoch_shows_every_sample_once() -> None:
    batches = [epoch_indices(100, step, 10, seed=3) for step in range(20)]
    assert torch.equal(torch.cat(batches[:10]).sort().values, torch.arange(100))
    assert torch.equal(torch.cat(batches[10:]).sort().values, torch.arange(100))
    assert not torch.equal(torch.cat(batches[:10]), torch.cat(batches[10:]))


def test_a_batch_is_never_larger_than_the_data() -> None:
    assert len(epoch_indices(7, 5, 64, seed=0)) == 7


def test_a_batch_depends_on_seed_and_step_only() -> None:
    data = load_dataset(DataConfig(name="noise", samples=50, augment=True))
    one, again, other = data.batch(4, 8, 0), data.batch(4, 8, 0), data.batch(4, 8, 1)
    assert torch.equal(one[0], again[0])
    assert not torch.equal(one[0], other[0])


def test_augmentation_keeps_shape_and_labels() -> None:
    plain = load_dataset(DataConfig(name="noise", samples=50))
    assert isinstance(plain, Samples)
    moved = Samples(plain.inputs, plain.targets, plain.test_inputs, plain.test_targets, 10, augment=True)
    (inputs, targets), (shifted, same) = plain.batch(0, 8, 0), moved.batch(0, 8, 0)
    assert shifted.shape == inputs.shape
    assert torch.equal(targets, same)
    assert not torch.equal(shifted, inputs)


def test_digits_are_centred_and_split_without_overlap() -> None:
    data = load_dataset(DataConfig(test_fraction=0.25))
    assert isinstance(data, Samples)
    assert (len(data.inputs), len(data.test_inputs)) == (1348, 449)
    everything = torch.cat([data.inputs, data.test_inputs])
    assert abs(float(everything.mean())) < 1e-5
    assert data.shape == (1, 8, 8)


def test_random_labels_replace_the_asked_share_of_training_labels_only() -> None:
    true, mixed = load_dataset(DataConfig()), load_dataset(DataConfig(random_labels=0.5))
    assert isinstance(true, Samples)
    assert isinstance(mixed, Samples)
    changed = float((true.targets != mixed.targets).float().mean())
    assert 0.40 < changed < 0.50  # half are redrawn, a tenth of those meet their own label again
    assert torch.equal(true.test_targets, mixed.test_targets)


def test_the_target_of_a_character_is_the_next_one() -> None:
    text = load_dataset(DataConfig(name="stdlib_text", samples=5000, context=16))
    assert isinstance(text, Text)
    for inputs, targets in (text.batch(0, 4, 0), text.head(4), text.test_batches(2)[0]):
        assert torch.equal(inputs[:, 1:], targets[:, :-1])
    assert text.outputs == 128
    assert int(text.train.max()) < 128


def test_text_has_no_overlap_between_training_and_test() -> None:
    text = load_dataset(DataConfig(name="stdlib_text", samples=5000, context=16, test_fraction=0.2))
    assert isinstance(text, Text)
    assert len(text.train) + len(text.test) == 5000
    assert len(text.test) == 1000


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
def test_power_law_inputs_have_the_covariance_that_was_asked(exponent: float) -> None:
    data = load_dataset(DataConfig(name="power_law", exponent=exponent, dimension=32, samples=20000))
    assert isinstance(data, Samples)
    flat = data.inputs.flatten(1).double()
    values = torch.linalg.eigvalsh(flat.T @ flat / len(flat)).flip(0)
    wanted = torch.arange(1, 33, dtype=torch.float64) ** -exponent
    assert torch.allclose(values, wanted / wanted.mean(), rtol=0.1)
    assert torch.bincount(data.targets, minlength=10).min() > 0


def test_modular_addition_is_every_pair_once() -> None:
    data = load_dataset(DataConfig(name="modular", modulus=7, test_fraction=0.3))
    assert isinstance(data, Samples)
    inputs, targets = torch.cat([data.inputs, data.test_inputs]), torch.cat([data.targets, data.test_targets])
    a, b = inputs[:, 0, 0, :7].argmax(1), inputs[:, 0, 0, 7:].argmax(1)
    assert torch.equal((a + b) % 7, targets)
    assert len(set(zip(a.tolist(), b.tolist(), strict=True))) == 49 == len(inputs)
    assert data.outputs == 7
