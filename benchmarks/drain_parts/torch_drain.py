"""The drain model's paper variant in PyTorch, to compare the speed of training with.

The network of ``draingym.drain_model.network.drain_network`` with the plain head: no lanes, no pair
biases, neither dates nor sales, every node active. Names follow the JAX modules, so that weights
copy by name. Where PyTorch has a fused operation for a layer (attention, layer norm, GRU, AdamW),
it is used.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import jax
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from draingym.drain_model.config import DrainConfig
from draingym.drain_model.data.dataset import DrainData
from draingym.drain_model.data.statistics import Statistics
from draingym.drain_model.distributions.levels import LEVELS, NUM_LEVELS
from draingym.drain_model.training.losses import COST_HALF_WIDTH

_STEP, _LOG2, _TINY = 0.1, math.log(2.0), 1e-12
_EPS = 1e-6  # of layer norms, as in Flax
Batch = dict[str, Tensor]


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

    def forward(self, tokens: Tensor, memory: Tensor) -> Tensor:
        """Let tokens [B, T, N, W] attend to memory [B, T, M, W]."""
        both = self.key_value(self.norm_memory(memory))
        keys, values = both.unflatten(-1, (2, self.heads, -1)).unbind(-3)
        query = self.query(self.norm_query(tokens)).unflatten(-1, (self.heads, -1))
        # [B T, A, N or M, D]: one batch axis is what the fused kernel takes.
        query, keys, values = (x.flatten(0, 1).transpose(1, 2) for x in (query, keys, values))
        mixed = F.scaled_dot_product_attention(query, keys, values)
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


class TorchDrain(nn.Module):
    """The network on batches [B, T, ...] of products."""

    def __init__(
        self, config: DrainConfig, statistics: Statistics, data: DrainData, num_attributes: int
    ) -> None:
        """Make the layers.

        Raises:
            ValueError: If the config is not that of the plain head, or a node is not active.
        """
        super().__init__()
        if config.lane_heads or config.pair_bias or config.calendar or config.sales:
            raise ValueError("config, must have no lanes, pair biases, calendar or sales")
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
        self.cross_outbound = Attention(config)
        self.outbound_mlp = MLP(width, width, config.num_atoms + NUM_LEVELS + 2, 3)
        self.cost_query = nn.Linear(width + 3, width)
        self.cross_cost = Attention(config)
        self.cost_mlp = MLP(width, width, NUM_LEVELS, 3)
        stats = {k: torch.tensor(np.array(v)) for k, v in statistics.to_dict().items()}
        places = {
            "nodes": torch.tensor(np.array(data.geography.node_coordinates)),
            "regions": torch.tensor(np.array(data.geography.region_coordinates)),
        }
        mean, scale = stats["coordinates_mean"], stats["coordinates_scale"]
        for name, place in places.items():
            self.register_buffer(name, (place - mean) / scale)
        for name in ("attributes_mean", "attributes_scale", "log_cost_mean", "log_cost_scale"):
            self.register_buffer(name, stats[name])
        angle = [0.25 * math.pi * 2.0**k * self.nodes for k in range(config.frequencies)]
        self.register_buffer(
            "waves",
            torch.cat([self.nodes, *map(torch.sin, angle), *map(torch.cos, angle)], dim=-1),
        )

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

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return atoms' and tail's log probabilities, the tail's knots, and the cost's."""
        views, stock = batch["glance_views"], batch["available"]
        attributes, atoms = batch["attributes"], self.config.num_atoms
        orders = views * attributes[..., self.config.conversion_column].exp()[..., None]
        total, regions, nodes = orders.sum(-1), views.shape[-1], stock.shape[-1]
        scale = 1.0 + total / nodes
        share = orders / (total[..., None] + 1e-6) * regions
        product = ((attributes - self.attributes_mean) / self.attributes_scale).clamp(-5.0, 5.0)
        shared = torch.cat([product, scale.log()[..., None]], dim=-1)
        own = torch.stack([0.5 * views.log1p(), orders.log1p(), share.log1p()], dim=-1)
        place = self.regions.expand(*own.shape[:-1], 2)
        spread = shared[..., None, :].expand(*own.shape[:-1], shared.shape[-1])
        places = self.location_encoder(torch.cat([own, place, spread], dim=-1))
        for block in self.location_blocks:
            places = block(places)

        before = (0, 0, 1, -1)
        columns = [
            0.5 * F.pad(batch["outbound"], before).log1p(),
            0.25 * F.pad(batch["ship_cost"], before).log1p(),
            0.5 * stock.log1p(),
            stock.clamp(max=1.0),
        ]
        spot = self.nodes.expand(*stock.shape, 2)
        past = self.node_encoder(torch.cat([torch.stack(columns, dim=-1), spot], dim=-1))
        relative = stock / scale[..., None]
        now = torch.stack([stock.log1p(), relative.log1p(), relative / (1.0 + relative)], dim=-1)
        tokens = past + self.place(self.waves) + self.context(shared)[..., None, :] + self.now(now)
        for block in self.node_blocks:
            tokens = block(tokens)
        tokens = tokens + self.cross_outbound(tokens, places)

        raw = self.outbound_mlp(tokens)
        gaps = F.softplus(raw[..., atoms:-2] - 1.0) * scale[..., None, None]
        logits = torch.cat([raw[..., :atoms], torch.zeros_like(raw[..., :1])], dim=-1)
        knots = atoms - 0.5 + (gaps + 1e-2).cumsum(-1)

        units = batch["outbound"]
        given = torch.stack([units.log1p(), units / scale[..., None], 1.0 / (1.0 + units)], dim=-1)
        query = self.cost_query(torch.cat([tokens, given], dim=-1))
        raw = self.cost_mlp(query + self.cross_cost(query, places))
        middle = NUM_LEVELS // 2
        steps = 0.3 * self.log_cost_scale * F.softplus(raw) + 1e-3
        centre = self.log_cost_mean + self.log_cost_scale * raw[..., middle : middle + 1]
        below = centre - steps[..., :middle].flip(-1).cumsum(-1).flip(-1)
        above = centre + steps[..., middle + 1 :].cumsum(-1)
        return logits.log_softmax(-1), knots, torch.cat([below, centre, above], dim=-1)

    def loss(self, batch: Batch) -> Tensor:
        """Return the sum of the five mean losses of ``draingym.drain_model.training.losses``."""
        logs, tail_knots, cost_knots = self(batch)
        atoms, levels = self.config.num_atoms, torch.tensor(LEVELS)
        outbound, cost, stock = batch["outbound"], batch["ship_cost"], batch["available"]
        mask, bound = stock > 0, outbound >= stock
        index = torch.arange(atoms + 1)
        at_least = logs.masked_fill(index < outbound[..., None], -math.inf)
        at_least[..., atoms] = logs[..., atoms]
        exact = logs.gather(-1, outbound.clamp(max=atoms).long()[..., None])[..., 0]
        atom = torch.where(bound, at_least.logsumexp(-1), exact)

        start = torch.full_like(tail_knots[..., :1], atoms - 0.5)
        lower = torch.cat([start, tail_knots[..., :-1]], dim=-1)
        gaps, last = tail_knots - lower, tail_knots[..., -1]
        decay = gaps[..., -1] / _LOG2

        power = (gaps[..., 0] / gaps[..., 1]).clamp(min=1.0)

        def risen(y: Tensor) -> Tensor:
            share = ((y[..., None] - lower) / gaps).clamp(0.0, 1.0)
            first = (power * share[..., 0].clamp(min=_TINY).log()).exp()
            return torch.cat([first[..., None], share[..., 1:]], dim=-1)

        def survival(y: Tensor) -> Tensor:
            left = ((lower + gaps - y[..., None]) / gaps).clamp(0.0, 1.0)
            linear = torch.cat([1.0 - risen(y)[..., :1], left[..., 1:]], dim=-1)
            return _STEP * (linear.sum(-1) + (-(y - last).clamp(min=0.0) / decay).exp())

        def mass(a: Tensor, b: Tensor) -> Tensor:
            linear = risen(b) - risen(a)
            beyond = [(-(y - last).clamp(min=0.0) / decay).exp() for y in (a, b)]
            return _STEP * (linear.sum(-1) + (beyond[0] - beyond[1]))

        units = outbound.clamp(min=float(atoms))
        tail = torch.where(bound, survival(units - 0.5), mass(units - 0.5, units + 0.5))
        in_tail = mask & (outbound >= atoms)
        cut = torch.minimum(tail_knots, stock[..., None])

        shipped = mask & (outbound > 0) & (cost > 0)
        unit = torch.where(shipped, cost / outbound.clamp(min=1.0), 1.0).log()
        a, b = unit - COST_HALF_WIDTH, unit + COST_HALF_WIDTH
        first, high = cost_knots[..., 0], cost_knots[..., -1]
        low_scale = (cost_knots[..., 1] - first) / _LOG2
        high_scale = ((high - cost_knots[..., -2]) / _LOG2).clamp(max=0.45)
        steps = cost_knots.diff(dim=-1)
        linear = ((b[..., None] - cost_knots[..., :-1]) / steps).clamp(0.0, 1.0) - (
            (a[..., None] - cost_knots[..., :-1]) / steps
        ).clamp(0.0, 1.0)
        below = [((y - first).clamp(max=0.0) / low_scale).exp() for y in (b, a)]
        beyond = [(-(y - high).clamp(min=0.0) / high_scale).exp() for y in (a, b)]
        # Differences first: in one tail the other's terms are 1 and 1, and would swallow it.
        beyond_both = (below[0] - below[1]) + (beyond[0] - beyond[1])
        density = _STEP * (linear.sum(-1) + beyond_both)

        def pinball(actual: Tensor, quantile: Tensor) -> Tensor:
            error = actual[..., None] - quantile
            return torch.maximum(levels * error, (levels - 1.0) * error).mean(-1)

        terms = [
            (-((density + _TINY).log() - math.log(2.0 * COST_HALF_WIDTH)), shipped),
            (pinball(cost, outbound[..., None] * cost_knots.exp()), shipped),
            (-atom, mask),
            (-(tail + _TINY).log(), in_tail),
            (pinball(outbound, cut), in_tail),
        ]
        means = [torch.where(w, x, 0.0).sum() / w.sum().clamp(min=1) for x, w in terms]
        return torch.stack(means).sum()


def batch_of(data: DrainData, index: np.ndarray, periods: int) -> Batch:
    """Return the first periods of some products, [B, T, ...]."""
    inputs = data.arrays()
    names = ("outbound", "ship_cost", "available", "glance_views", "attributes")
    return {name: torch.tensor(getattr(inputs, name)[index, :periods]) for name in names}


class Trainer:
    """AdamW with clipping, one update at a time."""

    def __init__(self, network: TorchDrain, config: DrainConfig, rates: np.ndarray) -> None:
        """Take the network, and the learning rate of every update."""
        self.network, self.config, self.rates = network, config, rates
        self.parameters = [p for p in network.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.parameters, eps=1e-8, weight_decay=config.weight_decay, fused=True
        )
        self.made = 0

    def update(self, batch: Batch) -> float:
        """Make an update; return the loss before it."""
        for group in self.optimizer.param_groups:
            group["lr"] = float(self.rates[self.made])
        self.made += 1
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.network.loss(batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, self.config.clip_norm)
        self.optimizer.step()
        return loss.item()
