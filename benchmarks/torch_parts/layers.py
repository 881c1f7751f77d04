"""Layers, where PyTorch has fused operations for them with those: attention, layer norm, GRU.

Names follow the JAX modules, so that weights copy by name.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from draingym.drain_model.config import DrainConfig

_EPS = 1e-6  # of layer norms, as in Flax


class MLP(nn.Module):
    """Fully connected layers with SiLU between them."""

    def __init__(self, inputs: int, hidden: int, outputs: int, depth: int) -> None:
        """Make ``depth`` layers."""
        super().__init__()
        sizes = [inputs, *[hidden] * (depth - 1), outputs]
        self.layers = nn.ModuleList([nn.Linear(a, b) for a, b in pairwise(sizes)])

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layers."""
        for layer in self.layers[:-1]:
            x = F.silu(layer(x))
        return self.layers[-1](x)


class CausalStack(nn.Module):
    """Dilated causal convolutions over the second axis from the left, [B, T, M, I]."""

    def __init__(self, config: DrainConfig, inputs: int) -> None:
        """Make one layer for each dilation."""
        super().__init__()
        self.dilations, self.taps = config.dilations, config.kernel_size
        sizes = [inputs, *[config.width] * (len(self.dilations) - 1)]
        self.layers = nn.ModuleList([nn.Linear(i * self.taps, config.width) for i in sizes])

    def forward(self, x: Tensor) -> Tensor:
        """Encode all periods."""
        periods = x.shape[1]
        for i, (layer, dilation) in enumerate(zip(self.layers, self.dilations, strict=True)):
            padded = F.pad(x, (0, 0, 0, 0, dilation * (self.taps - 1), 0))
            starts = [dilation * (self.taps - 1 - k) for k in range(self.taps)]
            taps = torch.cat([padded[:, s : s + periods] for s in starts], dim=-1)
            y = F.silu(layer(taps))
            x = y if i == 0 else x + y
        return x


class Attention(nn.Module):
    """Multi-head attention with normalised queries and memory."""

    def __init__(self, config: DrainConfig) -> None:
        """Make the projections."""
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.norm_query = nn.LayerNorm(width, eps=_EPS)
        self.norm_memory = nn.LayerNorm(width, eps=_EPS)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, tokens: Tensor, memory: Tensor, bias: Tensor | None = None) -> Tensor:
        """Let tokens [B, T, N, W] attend to memory [B, T, M, W]; ``bias`` is [A, N, M]."""
        both = self.key_value(self.norm_memory(memory))
        keys, values = both.unflatten(-1, (2, self.heads, -1)).unbind(-3)
        query = self.query(self.norm_query(tokens)).unflatten(-1, (self.heads, -1))
        # [B T, A, N or M, D]: one batch axis is what the fused kernel takes.
        query, keys, values = (x.flatten(0, 1).transpose(1, 2) for x in (query, keys, values))
        mixed = F.scaled_dot_product_attention(query, keys, values, attn_mask=bias)
        return self.out(mixed.transpose(1, 2).reshape(tokens.shape))


class TransformerBlock(nn.Module):
    """Self-attention and an MLP, each on normalised tokens and added to them."""

    def __init__(self, config: DrainConfig) -> None:
        """Make both parts."""
        super().__init__()
        width = config.width
        self.attention = Attention(config)
        self.norm = nn.LayerNorm(width, eps=_EPS)
        self.mlp = MLP(width, width * config.mlp_ratio, width, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        """Apply the block."""
        tokens = tokens + self.attention(tokens, tokens)
        return tokens + self.mlp(self.norm(tokens))


class RecurrentBlock(nn.Module):
    """A bidirectional GRU along the tokens, added to them; half of the width each way."""

    def __init__(self, config: DrainConfig) -> None:
        """Make the norm and the GRU; its second bias has no counterpart and stays 0."""
        super().__init__()
        self.norm = nn.LayerNorm(config.width, eps=_EPS)
        self.gru = nn.GRU(config.width, config.width // 2, batch_first=True, bidirectional=True)
        for name, parameter in self.gru.named_parameters():
            if name.startswith("bias_hh"):
                nn.init.zeros_(parameter)
                parameter.requires_grad_(False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Apply the block."""
        out, _ = self.gru(self.norm(tokens).flatten(0, 1))
        return tokens + out.reshape(tokens.shape)

    @torch.no_grad()
    def copy(self, inputs: dict[str, Any], recurrent: Any) -> None:
        """Take the JAX block's weights: its update gate is one minus PyTorch's."""
        size = self.gru.hidden_size

        def gates(x: np.ndarray) -> Tensor:  # [..., 3H]: update, reset, candidate
            update, reset, candidate = np.split(x.T, 3)
            return torch.tensor(np.concatenate([reset, -update, candidate]))

        for k, suffix in enumerate(("", "_reverse")):
            part = slice(3 * size * k, 3 * size * (k + 1))
            values = {
                "weight_ih": gates(np.asarray(inputs["kernel"])[:, part]),
                "bias_ih": gates(np.asarray(inputs["bias"])[part]),
                "weight_hh": gates(np.asarray(recurrent)[k]),
            }
            for name, value in values.items():
                getattr(self.gru, f"{name}_l0{suffix}").copy_(value)
