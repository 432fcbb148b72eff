"""python scripts/train_mlp.py [--steps 1000] [--out runs/mlp]

A plain PyTorch loop with two added lines, marked with "htmu": copy them into your own. Then: tensorboard --logdir runs
"""

from __future__ import annotations

import argparse

import torch
from sklearn.datasets import load_digits
from torch.nn import functional as F

import htmu_diag
from htmu_diag.report import plain_table

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--steps", type=int, default=1000)
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--batch-size", type=int, default=32)
parser.add_argument("--every", type=int, default=100, help="steps between two measurements")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--out", default="runs/mlp", help="a new folder for spectra and TensorBoard events")
chosen = parser.parse_args()

# 1,797 images of handwritten digits, 8 x 8 pixels; a fifth is held out
digits = load_digits()
inputs = torch.tensor(digits.data, dtype=torch.float32)
inputs = (inputs - inputs.mean()) / inputs.std()
targets = torch.tensor(digits.target)
torch.manual_seed(chosen.seed)
order = torch.randperm(len(inputs))
held_out, training = order[:359], order[359:]

model = torch.nn.Sequential(
    torch.nn.Linear(64, 512),
    torch.nn.ReLU(),
    torch.nn.Linear(512, 384),
    torch.nn.ReLU(),
    torch.nn.Linear(384, 10),
)
optimizer = torch.optim.SGD(model.parameters(), lr=chosen.lr, momentum=0.9, weight_decay=5e-4)

monitor = htmu_diag.watch(model, optimizer, log_dir=chosen.out, every=chosen.every)  # htmu: the first line

for step in range(1, chosen.steps + 1):
    batch = training[torch.randint(len(training), (chosen.batch_size,))]
    loss = F.cross_entropy(model(inputs[batch]), targets[batch])
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    monitor.log({"train/loss": loss}, step)  # optional: your own numbers beside the spectra

with torch.no_grad():
    right = model(inputs[held_out]).argmax(1) == targets[held_out]
last = monitor.snapshot()  # optional: measure the final weights too, whatever ``every`` is
monitor.close()  # htmu: the second line

print(f"test accuracy {100 * right.float().mean():.1f} %")
if last is not None:
    print(plain_table(last.diagnoses))
print(f"tensorboard --logdir {chosen.out}")
