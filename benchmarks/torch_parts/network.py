"""The drain model's network in PyTorch, and its losses.

The network of ``draingym.drain_model.network.drain_network``, with lanes or the plain head, and
independent nodes or a coherent split: neither dates nor sales, every node active. Names follow the
JAX modules, so that weights copy by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from benchmarks.torch_parts.counts import (
    Count,
    cost_knots,
    cost_terms,
    count_terms,
    mean_of,
    plain_count,
    routed_count,
)
from benchmarks.torch_parts.lanes import Lanes, PairNetwork, fourier, lane_losses, usual_of
from benchmarks.torch_parts.layers import (
    MLP,
    Attention,
    CausalStack,
    RecurrentBlock,
    TransformerBlock,
)
from benchmarks.torch_parts.splits import split_nll
from draingym.drain_model.config import DrainConfig
from draingym.drain_model.data.dataset import DrainData
from draingym.drain_model.data.statistics import Statistics
from draingym.drain_model.distributions.levels import NUM_LEVELS

Batch = dict[str, Tensor]
_STATISTICS = (
    *("attributes_mean", "attributes_scale", "attributes_low", "attributes_high"),
    *("log_cost_mean", "log_cost_scale"),
)


class TorchDrain(nn.Module):
    """The network on batches [B, T, ...] of products."""

    def __init__(
        self, config: DrainConfig, statistics: Statistics, data: DrainData, num_attributes: int
    ) -> None:
        """Make the layers.

        Raises:
            ValueError: If the config is of another variant, or a node is not active.
        """
        super().__init__()
        if config.calendar or config.sales or config.joint == "copula" or config.cap != "censored":
            raise ValueError(
                "config, must have neither calendar nor sales, joint independent or coherent, and "
                "cap censored"
            )
        if not data.active.all():
            raise ValueError("data.active is false somewhere, must be true throughout")
        self.config = config
        width, shared = config.width, num_attributes
        block = TransformerBlock if config.mixing == "transformer" else RecurrentBlock
        self.node_encoder = CausalStack(config, 6)
        self.location_encoder = CausalStack(config, shared + 6)
        self.place = MLP(4 * config.frequencies + 2, width, width, 2)
        self.context = nn.Linear(shared + 1, width)
        self.now = nn.Linear(3, width)
        self.node_blocks = nn.ModuleList([block(config) for _ in range(config.node_blocks)])
        self.location_blocks = nn.ModuleList([block(config) for _ in range(config.location_blocks)])
        self.biases = config.heads * config.pair_bias
        outputs = 2 * self.biases + 3 * config.lane_heads
        self.pairs = PairNetwork(config, outputs) if outputs else None
        self.cross_outbound = Attention(config)
        self.lanes = Lanes(config, num_attributes) if config.lane_heads else None
        known, channels = width + 6 * config.lane_heads, config.num_atoms + NUM_LEVELS + 2
        if config.joint == "coherent":
            self.total_mlp = MLP(width + 3, width, channels, 3)
            self.share_mlp = MLP(known, width, 2, 3)
        else:
            self.outbound_mlp = MLP(known, width, channels, 3)
        self.cost_query = nn.Linear(known + 3, width)
        self.cross_cost = Attention(config)
        self.cost_mlp = MLP(known, width, NUM_LEVELS, 3)
        stats = {k: torch.tensor(np.array(v)) for k, v in statistics.to_dict().items()}
        geography = data.geography
        mean, scale = stats["coordinates_mean"], stats["coordinates_scale"]
        for name in ("node", "region"):
            place = torch.tensor(np.array(getattr(geography, f"{name}_coordinates")))
            self.register_buffer(f"{name}s", (place - mean) / scale)
        distance = torch.tensor(np.array(geography.distance_km)) / stats["distance_scale"]
        self.register_buffer("distance", distance)
        for name in _STATISTICS:
            self.register_buffer(name, stats[name])

    @torch.no_grad()
    def copy(self, weights: dict[str, Any]) -> None:
        """Take the weights of the JAX network, all of them."""
        seen = set()
        for path, value in jax.tree_util.tree_flatten_with_path(weights)[0]:
            *names, kind = [str(getattr(p, "key", getattr(p, "idx", ""))) for p in path]
            if kind == "value":  # of a parameter that NNX keeps in a variable
                kind = names.pop()
            if self.config.mixing == "rnn" and ("inputs" in names or kind == "recurrent"):
                continue
            name = ".".join([*names, {"kernel": "weight", "scale": "weight"}.get(kind, kind)])
            array = np.array(value)
            target = self.get_parameter(name)
            target.copy_(torch.tensor(array.T if kind == "kernel" else array))
            seen.add(name)
        for stream in ("node_blocks", "location_blocks"):
            for i, block in enumerate(getattr(self, stream)):
                if isinstance(block, RecurrentBlock):
                    source = weights[stream][i]
                    block.copy(source["inputs"], source["recurrent"])
                    seen |= {f"{stream}.{i}.gru.{name}" for name, _ in block.gru.named_parameters()}
        missing = {name for name, _ in self.named_parameters()} - seen
        if missing:
            raise ValueError(f"weights lack {', '.join(sorted(missing))}")

    def _static(self) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Return attention's biases of outbound and of cost, and what lanes know of each pair."""
        if self.pairs is None:
            return None, None, None
        pairs, biases = self.pairs(self.nodes, self.regions, self.distance), self.biases
        of_outbound, of_cost, of_lanes = pairs.split([biases, biases, len(pairs) - 2 * biases])
        if not biases:
            of_outbound = of_cost = None
        if self.lanes is not None:
            lane, haul, reach = of_lanes.unflatten(0, (3, -1))
            far = self.distance
            of_lanes = torch.stack([lane - 2.0 * far, haul + far, (reach + 2.0 - far).sigmoid()])
        return of_outbound, of_cost, of_lanes

    def loss(self, batch: Batch, balance: Mapping[str, float]) -> Tensor:
        """Return the weighted mean losses of ``draingym.drain_model.training.losses``.

        Args:
            batch: Of ``batch_of``.
            balance: What each loss is multiplied by.
        """
        views, stock, units = batch["glance_views"], batch["available"], batch["outbound"]
        config, attributes = self.config, batch["attributes"]
        orders = views * attributes[..., config.conversion_column].exp()[..., None]
        total, regions, nodes = orders.sum(-1), views.shape[-1], stock.shape[-1]
        scale = 1.0 + total / nodes
        share = orders / (total[..., None] + 1e-6) * regions
        inside = torch.minimum(torch.maximum(attributes, self.attributes_low), self.attributes_high)
        product = ((inside - self.attributes_mean) / self.attributes_scale).clamp(-5.0, 5.0)
        shared = torch.cat([product, scale.log()[..., None]], dim=-1)
        own = torch.stack([0.5 * views.log1p(), orders.log1p(), share.log1p()], dim=-1)
        place = self.regions.expand(*own.shape[:-1], 2)
        spread = shared[..., None, :].expand(*own.shape[:-1], shared.shape[-1])
        places = self.location_encoder(torch.cat([own, place, spread], dim=-1))
        for block in self.location_blocks:
            places = block(places)

        before = (0, 0, 1, -1)
        columns = [
            0.5 * F.pad(units, before).log1p(),
            0.25 * F.pad(batch["ship_cost"], before).log1p(),
            0.5 * stock.log1p(),
            stock.clamp(max=1.0),
        ]
        spot = self.nodes.expand(*stock.shape, 2)
        past = self.node_encoder(torch.cat([torch.stack(columns, dim=-1), spot], dim=-1))
        relative = stock / scale[..., None]
        now = torch.stack([stock.log1p(), relative.log1p(), relative / (1.0 + relative)], dim=-1)
        at = self.place(fourier(self.nodes, config.frequencies))
        tokens = past + at + self.context(shared)[..., None, :] + self.now(now)
        for block in self.node_blocks:
            tokens = block(tokens)
        bias_outbound, bias_cost, of_lanes = self._static()
        tokens = tokens + self.cross_outbound(tokens, places, bias_outbound)

        losses = {}
        known, mean, served, demand = tokens, None, None, orders
        if self.lanes is not None:
            usual = usual_of(orders, config.usual_decay)
            routed, mean, served, flow, demand = self.lanes(
                tokens, places, product, orders, usual, scale, stock, *of_lanes
            )
            known = torch.cat([tokens, routed], dim=-1)
            if config.lane_labels and "lane" in batch:
                found = lane_losses(flow, batch["lane"], batch["lane_units"])
                losses = dict(zip(("lane_choice", "region_units"), found, strict=True))

        if config.joint == "coherent":
            all_stock = stock.sum(-1)
            count, split = self._coherent(tokens, known, demand, served, scale, stock, units)
            losses["dependence"] = mean_of(split, all_stock > 0)
            terms = count_terms(count, units.sum(-1), all_stock)
        else:
            raw = self.outbound_mlp(known)
            terms = count_terms(self._count(raw, mean, scale[..., None]), units, stock)

        given = torch.stack([units.log1p(), units / scale[..., None], 1.0 / (1.0 + units)], dim=-1)
        query = self.cost_query(torch.cat([known, given], dim=-1))
        query = query + self.cross_cost(query, places, bias_cost)
        features = torch.cat([query, known[..., tokens.shape[-1] :]], dim=-1)
        knots = cost_knots(self.cost_mlp(features), self.log_cost_mean, self.log_cost_scale)
        names = ("cross_entropy", "tail_nll", "tail_quantile", "cost_nll", "cost_quantile")
        terms += cost_terms(knots, units, batch["ship_cost"], stock)
        losses |= {name: mean_of(*term) for name, term in zip(names, terms, strict=True)}
        return torch.stack([balance[name] * value for name, value in losses.items()]).sum()

    def _count(self, raw: Tensor, mean: Tensor | None, scale: Tensor) -> Count:
        atoms = self.config.num_atoms
        return plain_count(raw, scale, atoms) if mean is None else routed_count(raw, mean, atoms)

    def _coherent(
        self,
        tokens: Tensor,
        known: Tensor,
        demand: Tensor,
        served: Tensor | None,
        scale: Tensor,
        stock: Tensor,
        units: Tensor,
    ) -> tuple[Count, Tensor]:
        """Return the distribution of the network's total, and what splitting it costs."""
        all_stock, orders = stock.sum(-1), demand.sum(-1)
        around = None if served is None else served.sum(-1)
        met = torch.zeros_like(orders) if around is None else around
        facts = [
            orders.log1p(),
            ((all_stock + 1.0) / (orders + 1.0)).log(),
            ((met + 1.0) / (orders + 1.0)).log(),
        ]
        raw = self.total_mlp(torch.cat([tokens.mean(-2), torch.stack(facts, dim=-1)], dim=-1))
        log_share, log_concentration = self.share_mlp(known).unbind(-1)
        if served is not None:
            log_share = 2.0 * (0.5 * log_share).tanh() + (served + 1e-2).log()
        split = split_nll(log_share, log_concentration + 3.0, units, stock)
        return self._count(raw, around, scale * stock.shape[-1]), split
