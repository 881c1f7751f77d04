"""Training the drain model in PyTorch, one update at a time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from benchmarks.torch_parts.network import Batch, TorchDrain
from draingym.drain_model.config import DrainConfig
from draingym.drain_model.data.dataset import DrainData


def batch_of(data: DrainData, index: np.ndarray, periods: int, device: str = "cpu") -> Batch:
    """Return the first periods of some products, [B, T, ...]."""
    inputs = data.arrays()
    names = ("outbound", "ship_cost", "available", "glance_views", "attributes")
    batch = {name: torch.tensor(getattr(inputs, name)[index, :periods]) for name in names}
    if inputs.lane is not None:
        batch["lane"] = torch.tensor(inputs.lane[index, :periods]).long()
        batch["lane_units"] = torch.tensor(inputs.lane_units[index, :periods])
    return {name: values.to(device) for name, values in batch.items()}


class Trainer:
    """AdamW with clipping; the pair network has a rate of its own."""

    def __init__(
        self,
        network: TorchDrain,
        config: DrainConfig,
        rates: np.ndarray,
        balance: Mapping[str, float],
    ) -> None:
        """Take the network, the learning rate of every update, and the losses' weights."""
        self.network, self.config, self.rates, self.balance = network, config, rates, balance
        named = [(n, p) for n, p in network.named_parameters() if p.requires_grad]
        self.parameters = [p for _, p in named]
        pairs = [p for name, p in named if name.startswith("pairs.")]
        others = [p for name, p in named if not name.startswith("pairs.")]
        self.factors = (1.0, config.pair_rate)[: 1 + bool(pairs)]
        self.optimizer = torch.optim.AdamW(
            [{"params": part} for part in (others, pairs) if part],
            eps=1e-8,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.made = 0

    def update(self, batch: Batch) -> Tensor:
        """Make an update; return the loss before it, on the device: nobody waits for it."""
        for group, factor in zip(self.optimizer.param_groups, self.factors, strict=True):
            group["lr"] = factor * float(self.rates[self.made])
        self.made += 1
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.network.loss(batch, self.balance)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, self.config.clip_norm)
        self.optimizer.step()
        return loss.detach()
