"""python scripts/nanogpt_loop.py [--steps 300] [--out runs/nanogpt]

A small language model as one trains them: micro-batches, bfloat16, clipping, warm-up and cosine, a tied head. It learns
the characters of this interpreter's own `argparse` module. The lines marked with "htmu" are all that measuring takes.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import htmu_diag

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--steps", type=int, default=300)
parser.add_argument("--width", type=int, default=128)
parser.add_argument("--every", type=int, default=25, help="steps between two measurements")
parser.add_argument("--out", default="runs/nanogpt", help="a new folder for spectra and TensorBoard events")
chosen = parser.parse_args()
context, batch, micro_batches, heads, depth, lr = 64, 8, 2, 4, 2, 1e-3


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.c_attn, self.c_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.c_fc, self.c_out = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in self.c_attn(self.ln_1(x)).chunk(3, -1))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.c_proj(mixed.transpose(1, 2).flatten(2))
        return torch.add(x, self.c_out(F.gelu(self.c_fc(self.ln_2(x)))))


class GPT(nn.Module):
    def __init__(self, characters: int, width: int) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(characters, width), nn.Embedding(context, width)
        self.h = nn.Sequential(*(Block(width) for _ in range(depth)), nn.LayerNorm(width))
        self.lm_head = nn.Linear(width, characters, bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, tokens: Tensor) -> Tensor:
        out: Tensor = self.lm_head(self.h(self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1]))))
        return out


text = Path(argparse.__file__).read_text(encoding="utf-8")
characters = sorted(set(text))
data = torch.tensor([characters.index(c) for c in text])
torch.manual_seed(0)
model = GPT(len(characters), chosen.width)
optimizer = torch.optim.AdamW(model.parameters(), lr=lr, betas=(0.9, 0.95), weight_decay=0.1)
warmup = max(1, chosen.steps // 10)
schedule = torch.optim.lr_scheduler.LambdaLR(
    optimizer, lambda step: min((step + 1) / warmup, 0.55 + 0.45 * math.cos(math.pi * step / chosen.steps))
)
config = {"lr": lr, "width": chosen.width, "depth": depth}
monitor = htmu_diag.watch(model, optimizer, log_dir=chosen.out, every=chosen.every, config=config)  # htmu
for _ in range(chosen.steps):
    for _ in range(micro_batches):
        rows = torch.stack([data[i : i + context + 1] for i in torch.randint(len(data) - context - 1, (batch,))])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = F.cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten()) / micro_batches
        loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    schedule.step()
    optimizer.zero_grad()
    monitor.log({"train/loss": micro_batches * loss.item()})  # htmu
monitor.close()  # htmu
print(f"loss {micro_batches * loss.item():.2f}; htmu show {chosen.out}")
