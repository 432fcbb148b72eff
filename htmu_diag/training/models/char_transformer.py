"""A small decoder-only transformer over characters: pre-norm blocks, causal attention, learned positions (as GPT-2).

Attention is written as softmax(Q K^T / sqrt(d)) V and not with the fused kernel: the fused kernel has no second
derivative, and Hessian probes need one.
"""

from __future__ import annotations

import math

import torch
from torch import nn

__all__ = ["CharTransformer"]


class CharTransformer(nn.Module):
    """Characters (batch, time) to logits (batch, time, vocabulary); time is at most ``context``."""

    def __init__(
        self, vocabulary: int, context: int, embedding: int, heads: int, layers: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.characters = nn.Embedding(vocabulary, embedding)
        self.positions = nn.Embedding(context, embedding)
        self.blocks = nn.ModuleList(Block(embedding, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(embedding)
        self.head = nn.Linear(embedding, vocabulary, bias=False)

    def forward(self, characters: torch.Tensor) -> torch.Tensor:
        """(batch, time) integers -> (batch, time, vocabulary)."""
        time = torch.arange(characters.shape[1], device=characters.device)
        hidden = self.characters(characters) + self.positions(time)
        for block in self.blocks:
            hidden = block(hidden)
        logits: torch.Tensor = self.head(self.norm(hidden))
        return logits


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, embedding: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(embedding)
        self.attention = Attention(embedding, heads)
        self.norm2 = nn.LayerNorm(embedding)
        self.up = nn.Linear(embedding, 4 * embedding)
        self.down = nn.Linear(4 * embedding, embedding)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """(batch, time, embedding) -> the same shape."""
        hidden = hidden + self.dropout(self.attention(self.norm1(hidden)))
        inner = nn.functional.gelu(self.up(self.norm2(hidden)))
        out: torch.Tensor = hidden + self.dropout(self.down(inner))
        return out


class Attention(nn.Module):
    """Causal self-attention with separate query, key and value matrices, so that each has its own spectrum."""

    def __init__(self, embedding: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(embedding, embedding, bias=False)
        self.key = nn.Linear(embedding, embedding, bias=False)
        self.value = nn.Linear(embedding, embedding, bias=False)
        self.out = nn.Linear(embedding, embedding)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """(batch, time, embedding) -> the same shape."""
        batch, time, embedding = hidden.shape
        query, key, value = (self._split(layer(hidden)) for layer in (self.query, self.key, self.value))
        scores = query @ key.transpose(-2, -1) / math.sqrt(embedding // self.heads)
        future = torch.ones(time, time, dtype=torch.bool, device=hidden.device).triu(1)
        weights = scores.masked_fill(future, -math.inf).softmax(-1)
        mixed: torch.Tensor = self.out((weights @ value).transpose(1, 2).reshape(batch, time, embedding))
        return mixed

    def _split(self, hidden: torch.Tensor) -> torch.Tensor:
        batch, time, embedding = hidden.shape
        return hidden.view(batch, time, self.heads, embedding // self.heads).transpose(1, 2)
