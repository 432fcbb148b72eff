"""python scripts/finetune_lora.py [--steps 60] [--out runs/lora]

Fine-tuning with LoRA in the Hugging Face Trainer: a tiny BERT with random weights (nothing is downloaded) learns which
half of the vocabulary a sequence comes from. Each adapter's update B A is measured beside its factors.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

from htmu_diag import load_run
from htmu_diag.integrations.transformers import SpectraTrainerCallback
from htmu_diag.report import plain_table

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--steps", type=int, default=60)
parser.add_argument("--rank", type=int, default=8)
parser.add_argument("--width", type=int, default=96)
parser.add_argument("--every", type=int, default=20, help="steps between two measurements")
parser.add_argument("--out", default="runs/lora", help="the Trainer's folder; the spectra go to htmu in it")
chosen = parser.parse_args()

torch.manual_seed(0)
vocabulary, length = 64, 16
bert = BertForSequenceClassification(
    BertConfig(
        vocab_size=vocabulary,
        hidden_size=chosen.width,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=2 * chosen.width,
    )
)
model = get_peft_model(
    bert, LoraConfig(r=chosen.rank, target_modules=["query", "value"], modules_to_save=["classifier"])
)

labels = torch.randint(2, (256,))
tokens = torch.randint(vocabulary // 2, (256, length)) + labels[:, None] * (vocabulary // 2)
rows: list[dict[str, Any]] = [
    {"input_ids": t, "attention_mask": torch.ones_like(t), "labels": y} for t, y in zip(tokens, labels, strict=True)
]
arguments = TrainingArguments(
    chosen.out,
    max_steps=chosen.steps,
    learning_rate=5e-3,
    per_device_train_batch_size=16,
    logging_steps=max(1, chosen.steps // 5),
    save_strategy="no",
    report_to=[],
    use_cpu=True,
    disable_tqdm=True,
)
spectra = SpectraTrainerCallback(every=chosen.every, include=["*lora*", "*classifier*"])  # htmu
Trainer(model, arguments, train_dataset=rows, callbacks=[spectra]).train()

run = load_run(Path(chosen.out) / "htmu")
print(plain_table(run.diagnose(run.steps[-1]).diagnoses))
