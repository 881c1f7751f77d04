"""The lost-sales store in PyTorch, as differentiable simulators have it: batches, a loop over time.

Written after the public code of hindsight differentiable policy optimisation: the state is one
tensor of stock and orders on their way, demand is drawn beforehand, and Adam follows the gradient
through all periods. Of several ways to write it this is a lean one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


class TorchStore:
    """One store with a fixed lead time whose unmet demand is lost."""

    def __init__(
        self, lead_time: int, holding_cost: float, unmet_cost: float, scale: float, weights: Any
    ) -> None:
        """Take over the weights of a ``DensePolicy``: pairs of [O, I] and [O]."""
        self.lead_time, self.scale = lead_time, scale
        self.holding_cost, self.unmet_cost = holding_cost, unmet_cost
        layers: list[nn.Module] = []
        for weight, bias in weights:
            layer = nn.Linear(weight.shape[1], weight.shape[0])
            layer.weight.data = torch.tensor(np.asarray(weight))
            layer.bias.data = torch.tensor(np.asarray(bias))
            layers += [layer, nn.ELU()]
        self.network = nn.Sequential(*layers[:-1], nn.Softplus())
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-3)

    def cost(self, demand: Tensor, orders: Tensor | None = None) -> Tensor:
        """Return the mean cost a period: of given orders [T, B, 1], or of the network's.

        Args:
            demand: [T, B] units.
            orders: Drawn beforehand; the network orders when not given.
        """
        stock = torch.zeros(demand.shape[1], self.lead_time)  # on hand, then what is due
        total = torch.zeros(())
        for t in range(demand.shape[0]):
            order = self.scale * self.network(stock / self.scale) if orders is None else orders[t]
            left = stock[:, 0] - demand[t]
            kept = F.relu(left)
            total = total + (self.holding_cost * kept + self.unmet_cost * F.relu(-left)).sum()
            stock = torch.cat([(kept + stock[:, 1])[:, None], stock[:, 2:], order], dim=1)
        return total / demand.numel()

    def simulate(self, demand: Tensor, orders: Tensor) -> float:
        """Return the mean cost a period of given orders, without a graph."""
        with torch.no_grad():
            return float(self.cost(demand, orders))

    def update(self, demand: Tensor) -> float:
        """Take one step of Adam; return the mean cost a period before it."""
        self.optimizer.zero_grad()
        loss = self.cost(demand)
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())
