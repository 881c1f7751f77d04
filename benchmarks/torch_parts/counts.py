"""The distributions of a count and of a unit's cost, and their losses.

See ``draingym.drain_model.network.heads`` and ``draingym.drain_model.training.losses``.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from draingym.drain_model.distributions.levels import LEVELS, NUM_LEVELS
from draingym.drain_model.training.losses import COST_HALF_WIDTH

_STEP, _LOG2, _TINY = 0.1, math.log(2.0), 1e-12
Count = tuple[Tensor, Tensor]  # log probabilities of K atoms and of the tail, and the tail's knots
Terms = list[tuple[Tensor, Tensor]]  # losses by entry, and where they count


def plain_count(raw: Tensor, scale: Tensor, atoms: int) -> Count:
    """Return a count whose tail's gaps are in units of ``scale``."""
    gaps = F.softplus(raw[..., atoms:-2] - 1.0) * scale[..., None]
    return _count(raw[..., :atoms], gaps)


def routed_count(raw: Tensor, mean: Tensor, atoms: int) -> Count:
    """Return a count around ``mean`` units, which it corrects."""
    values, spread, factor = raw[..., :-2], raw[..., -2], raw[..., -1]
    mean = (mean + 1e-2) * (2.0 * (0.5 * factor).tanh()).exp()
    spread = F.softplus(spread - 3.0) + 1e-3
    grow = mean.log() - (spread * mean).log1p()
    log_p = [-(spread * mean).log1p() / spread]
    for k in range(1, atoms):
        log_p.append(log_p[-1] + grow + ((1.0 + spread * (k - 1)) / k).log())
    base = torch.stack(log_p, dim=-1)
    tail = (1.0 - base.exp().sum(-1, keepdim=True)).clamp(min=1e-4)
    gaps = _normal_gaps(mean, (mean + spread * mean.square()).sqrt(), atoms - 0.5)
    stretch = (2.0 * (0.5 * values[..., atoms:]).tanh()).exp()
    base = (base - tail.log()).clamp(-20.0, 20.0)
    return _count(base + values[..., :atoms], gaps * stretch)


def _normal_gaps(mean: Tensor, deviation: Tensor, start: float) -> Tensor:
    cut = ((start - mean) / deviation).clamp(-4.0, 4.0)[..., None]
    levels = torch.tensor((0.0, *LEVELS), device=mean.device)
    knots = -torch.special.ndtri(torch.special.ndtr(-cut) * (1.0 - levels))
    gaps = knots.diff(dim=-1) * deviation[..., None]
    shift = (mean + deviation * cut[..., 0] - start).clamp(min=0.0)
    return torch.cat([gaps[..., :1] + shift[..., None], gaps[..., 1:]], dim=-1)


def _count(logits: Tensor, gaps: Tensor) -> Count:
    logs = torch.cat([logits, torch.zeros_like(logits[..., :1])], dim=-1).log_softmax(-1)
    return logs, logits.shape[-1] - 0.5 + (gaps + 1e-2).cumsum(-1)


def _pinball(actual: Tensor, quantile: Tensor) -> Tensor:
    levels = torch.tensor(LEVELS, device=actual.device)
    error = actual[..., None] - quantile
    return torch.maximum(levels * error, (levels - 1.0) * error).mean(-1)


def count_terms(count: Count, units: Tensor, stock: Tensor) -> Terms:
    """Return cross entropy, the tail's likelihood and its quantiles, censored at the stock."""
    logs, knots = count
    atoms = logs.shape[-1] - 1
    mask, bound = stock > 0, units >= stock
    index = torch.arange(atoms + 1, device=units.device)
    # The tail's probability stays whatever was shipped.
    cut_off = (index < units[..., None]) & (index < atoms)
    at_least = logs.masked_fill(cut_off, -math.inf)
    exact = logs.gather(-1, units.clamp(max=atoms).long()[..., None])[..., 0]
    atom = torch.where(bound, at_least.logsumexp(-1), exact)

    start = torch.full_like(knots[..., :1], atoms - 0.5)
    lower = torch.cat([start, knots[..., :-1]], dim=-1)
    gaps, last = knots - lower, knots[..., -1]
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

    tailed = units.clamp(min=float(atoms))
    tail = torch.where(bound, survival(tailed - 0.5), mass(tailed - 0.5, tailed + 0.5))
    in_tail = mask & (units >= atoms)
    cut = torch.minimum(knots, stock[..., None])
    return [
        (-atom, mask),
        (-(tail + _TINY).log(), in_tail),
        (_pinball(units, cut), in_tail),
    ]


def cost_knots(raw: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    """Return quantiles of the log cost of a unit."""
    middle = NUM_LEVELS // 2
    steps = 0.3 * scale * F.softplus(raw) + 1e-3
    centre = mean + scale * raw[..., middle : middle + 1]
    below = centre - steps[..., :middle].flip(-1).cumsum(-1).flip(-1)
    above = centre + steps[..., middle + 1 :].cumsum(-1)
    return torch.cat([below, centre, above], dim=-1)


def cost_terms(knots: Tensor, units: Tensor, cost: Tensor, stock: Tensor) -> Terms:
    """Return the cost's likelihood and its quantiles."""
    shipped = (stock > 0) & (units > 0) & (cost > 0)
    unit = torch.where(shipped, cost / units.clamp(min=1.0), 1.0).log()
    a, b = unit - COST_HALF_WIDTH, unit + COST_HALF_WIDTH
    first, high = knots[..., 0], knots[..., -1]
    low_scale = (knots[..., 1] - first) / _LOG2
    high_scale = ((high - knots[..., -2]) / _LOG2).clamp(max=0.45)
    steps = knots.diff(dim=-1)
    linear = ((b[..., None] - knots[..., :-1]) / steps).clamp(0.0, 1.0) - (
        (a[..., None] - knots[..., :-1]) / steps
    ).clamp(0.0, 1.0)
    below = [((y - first).clamp(max=0.0) / low_scale).exp() for y in (b, a)]
    beyond = [(-(y - high).clamp(min=0.0) / high_scale).exp() for y in (a, b)]
    # Differences first: in one tail the other's terms are 1 and 1, and would swallow it.
    beyond_both = (below[0] - below[1]) + (beyond[0] - beyond[1])
    density = _STEP * (linear.sum(-1) + beyond_both)
    return [
        (-((density + _TINY).log() - math.log(2.0 * COST_HALF_WIDTH)), shipped),
        (_pinball(cost, units[..., None] * knots.exp()), shipped),
    ]


def mean_of(values: Tensor, where: Tensor) -> Tensor:
    """Return the mean where entries count; 0 where none does."""
    return torch.where(where, values, 0.0).sum() / where.sum().clamp(min=1)
