"""A GPT of 124 M parameters on a CUDA device, and its training in bfloat16 on random tokens."""

from __future__ import annotations

import time

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["GPT", "Training"]


class GPT(nn.Module):
    """GPT-2's shapes: 12 blocks of width 768 over 50,257 tokens, tied embeddings, no dropout; 124 M parameters."""

    def __init__(self, width: int = 768, layers: int = 12, heads: int = 12, vocabulary: int = 50257) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(vocabulary, width), nn.Embedding(1024, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.tokens.weight
        nn.init.normal_(self.tokens.weight, std=0.02)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.tokens(tokens) + self.places.weight[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        logits: torch.Tensor = self.head(self.norm(x))
        return logits.flatten(0, 1)


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = self.qkv(self.before(x)).chunk(3, -1)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
        x = x + self.out(seen)
        x = x + self.down(F.gelu(self.up(self.between(x))))
        return x


class Training:
    def __init__(self, batch: int, length: int, compiled: bool) -> None:
        torch.manual_seed(0)
        self.model = GPT().cuda()
        self.run = torch.compile(self.model) if compiled else self.model
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4, fused=True)
        tokens = torch.randint(50257, (batch, length + 1), device="cuda")
        self.inputs, self.targets = tokens[:, :-1].contiguous(), tokens[:, 1:].flatten()
        self.waits: list[float] = []

    def steps(self, count: int) -> float:
        """Seconds of so many steps; ``waits`` has what each took the host."""
        self.waits = []
        torch.cuda.synchronize()
        began = last = time.perf_counter()
        for _ in range(count):
            self.optimizer.zero_grad()
            with torch.autocast("cuda", dtype=torch.bfloat16):
                loss = F.cross_entropy(self.run(self.inputs), self.targets)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            now = time.perf_counter()
            self.waits.append(now - last)
            last = now
        torch.cuda.synchronize()
        return time.perf_counter() - began
