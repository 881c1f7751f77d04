"""Lanes: which node serves a region; see ``draingym.drain_model.network.lanes``."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from benchmarks.torch_parts.layers import MLP
from draingym.drain_model.config import DrainConfig
from draingym.drain_model.network.lanes import SHARPENING, SHARPNESS


def fourier(coordinates: Tensor, octaves: int) -> Tensor:
    """Return coordinates [M, 2] with their waves, [M, 2 + 4 octaves]."""
    angle = [0.25 * math.pi * 2.0**k * coordinates for k in range(octaves)]
    return torch.cat([coordinates, *map(torch.sin, angle), *map(torch.cos, angle)], dim=-1)


class PairNetwork(nn.Module):
    """A function of a node's and a region's place and of their distance, for several uses."""

    def __init__(self, config: DrainConfig, outputs: int) -> None:
        """Make the layers."""
        super().__init__()
        self.octaves = config.frequencies
        width, place = config.pair_width, 4 * config.frequencies + 2
        self.node = nn.Linear(place, width)
        self.region = nn.Linear(place, width)
        self.distance = nn.Linear(3, width)
        self.mlp = MLP(width, width, outputs, 2)
        self.left = nn.Linear(place, width)
        self.right = nn.Linear(place, width)
        self.join = nn.Linear(width, outputs)

    def forward(self, nodes: Tensor, regions: Tensor, distance: Tensor) -> Tensor:
        """Return the outputs of every pair, [C, N, Z]."""
        a, b = fourier(nodes, self.octaves), fourier(regions, self.octaves)
        far = torch.stack([distance, (4.0 * distance).log1p(), (-4.0 * distance).exp()], dim=-1)
        pair = self.mlp(F.silu(self.node(a)[:, None] + self.region(b) + self.distance(far)))
        waves = self.left(a).sin()[:, None] * self.right(b).sin()
        pair = pair + self.join(waves * (4.0 * waves.shape[-1] ** -0.5))
        return (3.0 * (pair / 3.0).asinh()).movedim(-1, 0)


class Lanes(nn.Module):
    """Routes regional demand to nodes with stock."""

    def __init__(self, config: DrainConfig, num_attributes: int) -> None:
        """Make the projections."""
        super().__init__()
        self.heads, self.depth = config.lane_heads, config.width // config.heads
        self.steps = config.lane_steps
        size = self.heads * self.depth
        self.node = nn.Linear(config.width, size)
        self.region = nn.Linear(config.width, size)
        self.modulation = nn.Linear(config.width, 1)
        self.sensitivity = nn.Linear(num_attributes, self.heads)
        for name in ("log_gate", "sharpness", "sharpening", "scarcity", "log_cover", "mixture"):
            setattr(self, name, nn.Parameter(torch.zeros(self.heads)))

    def forward(
        self,
        tokens: Tensor,
        places: Tensor,
        product: Tensor,
        orders: Tensor,
        usual: Tensor,
        scale: Tensor,
        stock: Tensor,
        lane: Tensor,
        haul: Tensor,
        reach: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return features, units routed and served by node, those by region, and orders.

        Args:
            tokens: Nodes [B, T, N, W].
            places: Regions [B, T, Z, W].
            product: Attributes [B, T, F], normalised.
            orders: [B, T, Z] units expected from views.
            usual: [B, T, Z] units a period, of late.
            scale: [B, T] units.
            stock: [B, T, N] units.
            lane: Log preferences [L, N, Z].
            haul: Of costs [L, N, Z].
            reach: Shares that are placed [L, N, Z].
        """
        demand = orders * torch.exp2(self.modulation(places)[..., 0].tanh())
        query = self.region(places).unflatten(-1, (self.heads, self.depth)).transpose(-3, -2)
        keys = self.node(tokens).unflatten(-1, (self.heads, self.depth)).transpose(-3, -2)
        ranges = self.sensitivity(product).tanh().exp()
        score = keys @ query.transpose(-2, -1) * self.depth**-0.5
        score = score + ranges[..., None, None] * lane

        score = score - score.amax(dim=-2, keepdim=True)
        preference = score.exp()
        placeable = preference * reach
        sharpness, sharpening = (
            x[:, None] for x in (self.sharpness + SHARPNESS, self.sharpening + SHARPENING)
        )
        half = self.log_gate.exp()[:, None]
        price = 3.0 * (self.scarcity - 1.0).sigmoid()[:, None]
        cover = 1.0 + F.softplus(self.log_cover)[:, None]

        def serve(wanted: Tensor, left: Tensor) -> Tensor:
            power = 1.0 + F.softplus(sharpness + sharpening * left.log1p())
            ratio = (left + 1e-6).log() - (wanted + 1e-6).log()
            return left * (-F.softplus(power * ratio) / power).exp()

        def at_nodes(pairs: Tensor, by_region: Tensor) -> Tensor:
            return (pairs @ by_region[..., None])[..., 0]

        def at_regions(pairs: Tensor, by_node: Tensor) -> Tensor:
            return (by_node[..., None, :] @ pairs)[..., 0, :]

        part = demand[..., None, :] / self.steps
        whole = preference.sum(-2) + 1e-6
        market = at_nodes(preference, (usual[..., None, :] + part) / whole)
        left = stock[..., None, :].expand(*score.shape[:-1])
        wanted = routed = served = flow = 0.0
        for _ in range(self.steps):
            scarce = price * (-left / (cover * market + 1.0)).exp()
            spared = (scarce.amin(-1, keepdim=True) - scarce).exp()
            first = part / (at_regions(preference, spared) + 1e-6)
            asked = spared * at_nodes(placeable, first)
            now = serve(asked, left)
            fill = (now / (asked + 1e-6)).clamp(max=1.0)
            unserved = first * at_regions(preference, spared * (1.0 - fill))
            left = (left - now).clamp(min=0.0)
            per_unit = spared / (left + half)
            again = unserved / (at_regions(preference, per_unit * left) + 1e-2)
            pressure = per_unit * at_nodes(placeable, again)
            more = serve(pressure * left, left)
            tried = (spared * fill)[..., None] * first[..., None, :]
            tried = tried + (per_unit * more / (pressure + 1e-6))[..., None] * again[..., None, :]
            flow = flow + placeable * tried
            wanted, routed = wanted + asked, routed + asked + pressure * left
            served = served + now + more
            left = (left - more).clamp(min=0.0)

        mixture = self.mixture.softmax(-1)[:, None]
        far = (flow * haul).sum(-1) / (served + 1e-2)
        all_stock = stock[..., None, :]
        features = torch.stack(
            [
                wanted.log1p(),
                served.log1p(),
                served / scale[..., None, None],
                ((all_stock + 0.5) / (wanted + 0.5)).log(),
                ((routed + 0.5) / (wanted + 0.5)).log(),
                far,
            ],
            dim=-1,
        )
        features = features.transpose(-3, -2).flatten(-2)
        by_region = (flow * mixture[..., None]).sum(-3)
        mean, served = ((x * mixture).sum(-2) for x in (routed, served))
        return features, mean, served, by_region, demand


def usual_of(orders: Tensor, decay: float) -> Tensor:
    """Return the exponentially weighted mean of the periods up to each, [B, T, Z]."""
    steps = torch.arange(orders.shape[1], device=orders.device)
    gap = steps[:, None] - steps
    weight = torch.where(gap >= 0, (1.0 - decay) * decay ** gap.clamp(min=0).to(orders.dtype), 0.0)
    # Weighted by a matrix: a few periods, where a loop over them would start as many kernels.
    return weight @ orders / (1.0 - decay ** (steps + 1.0))[:, None]


def lane_losses(flow: Tensor, lane: Tensor, units: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean of ``lane_choice`` and ``region_units``.

    Args:
        flow: [B, T, N, Z] units that the lanes serve.
        lane: [B, T, S] lanes that shipped units, ``n Z + z``.
        units: [B, T, S] shipped on each.
    """
    least = 1e-9
    region = lane % flow.shape[-1]
    expected = flow.sum(-2)
    at_lane, at_region = flow.flatten(-2).gather(-1, lane), expected.gather(-1, region)
    choice = (at_region + least).log() - (at_lane + least).log()
    shipped = torch.zeros_like(expected).scatter_add(-1, region, units)
    ratio = shipped.clamp(min=least).log() - (expected + least).log()
    deviance = (expected - shipped + shipped * ratio).sum(-1)
    return (units * choice).sum() / units.sum().clamp(min=1.0), deviance.mean()
