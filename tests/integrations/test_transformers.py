"""SpectraTrainerCallback in a real Hugging Face Trainer."""

from pathlib import Path
from typing import Any

import pytest
import torch

from htmu_diag import load_run
from tests.later import Later

# The Trainer's advice about accelerators; one process of a run imports transformers.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.xdist_group("transformers")]
hf = Later("transformers")
spectra = Later("htmu_diag.integrations.transformers", "transformers")


def trained(folder: Path, callback: Any, steps: int, resume: str | None = None) -> dict[str, Any]:
    torch.manual_seed(0)
    sizes = {"n_layer": 1, "n_head": 2, "n_embd": 16, "vocab_size": 32, "n_positions": 8}
    model = hf.GPT2LMHeadModel(hf.GPT2Config(**sizes, bos_token_id=0, eos_token_id=0))
    tokens = torch.randint(32, (64, 8))
    rows = [{"input_ids": row, "labels": row} for row in tokens]
    arguments = hf.TrainingArguments(
        str(folder),
        max_steps=steps,
        per_device_train_batch_size=4,
        gradient_accumulation_steps=2,
        report_to=[],
        save_steps=4,
        logging_steps=2,
        use_cpu=True,
        disable_tqdm=True,
    )
    trainer = hf.Trainer(model, arguments, train_dataset=rows, callbacks=[callback])
    trainer.train(resume_from_checkpoint=resume)
    return dict(model.state_dict())


def test_it_counts_optimizer_steps_and_a_resumed_training_continues(tmp_path: Path) -> None:
    trained(tmp_path, spectra.SpectraTrainerCallback(every=2), 6)
    run = load_run(tmp_path / "htmu")
    assert run.steps == (0, 2, 4, 6)
    assert "transformer.h.0.mlp.c_fc.weight" in run.names()
    assert [step for step, _ in run.scalars()["train/loss"]] == [2, 4, 6]
    trained(tmp_path, spectra.SpectraTrainerCallback(every=3), 9, resume=str(tmp_path / "checkpoint-4"))
    assert run.steps == (0, 2, 4, 6, 9)


def test_training_is_bit_identical_with_the_callback(tmp_path: Path) -> None:
    watched = trained(tmp_path / "one", spectra.SpectraTrainerCallback(every=1, probes=["weights", "trajectory"]), 4)
    plain = trained(tmp_path / "other", spectra.SpectraTrainerCallback(every=[]), 4)
    torch.testing.assert_close(watched, plain, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("name", "folder"),
    [(None, "trial-0"), ("lr=0.1, wd 2", "lr=0.1_wd_2"), ("../../up", "up"), ("a/b", "a_b"), ("..", "trial-0")],
)
def test_each_trial_of_a_search_has_a_folder_of_its_own(tmp_path: Path, name: str | None, folder: str) -> None:
    callback, arguments = (
        spectra.SpectraTrainerCallback(every=[0]),
        hf.TrainingArguments(str(tmp_path), report_to=[], use_cpu=True),
    )
    for search in (True, False):
        state = hf.TrainerState(is_hyper_param_search=search, trial_name=name if search else None)
        callback.on_train_begin(arguments, state, hf.TrainerControl(), model=torch.nn.Linear(4, 5))
        callback.on_train_end(arguments, state, hf.TrainerControl())
    assert load_run(tmp_path / "htmu" / folder).steps == (0,)
    assert load_run(tmp_path / "htmu").steps == (0,)
