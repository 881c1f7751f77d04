"""The likelihood of a coherent split; see ``draingym.drain_model.distributions.splits``."""

from __future__ import annotations

import torch
from torch import Tensor

_CELLS, _WIDEN, _MIN_ALPHA, _TINY, _MOST = 64, 4.0, 1e-4, 1e-30, 1e4


def later(x: Tensor) -> Tensor:
    """Return the sum over later nodes."""
    return x.flip(-1).cumsum(-1).flip(-1) - x


def split_nll(log_share: Tensor, log_concentration: Tensor, units: Tensor, stock: Tensor) -> Tensor:
    """Return minus the log probability of how a total was split over nodes, all active: [..]."""
    shares = log_share.softmax(-1)
    concentration = log_concentration.exp().clamp(max=_MOST)
    alpha = shares * concentration + _MIN_ALPHA
    beta = later(shares) * concentration + _MIN_ALPHA
    with torch.no_grad():
        total = units + later(units)
        lowest = (total - later(stock)).clamp(min=0.0)
        highest = torch.minimum(total, stock)
        centre = torch.round(total * (alpha / (alpha + beta)))
        centre = torch.minimum(torch.maximum(centre, lowest), highest)
        start, width = _cells(lowest[..., None], highest[..., None], centre[..., None])
        middle = start + 0.5 * (width - 1.0).clamp(min=0.0)
        middle = torch.minimum(middle, highest[..., None])

    def log_weight(k: Tensor, centre: Tensor, total: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
        d = k - centre
        return _log_growth(centre, d, alpha) + _log_growth(total - centre, -d, beta)

    columns = (centre, total, alpha, beta)
    logs = log_weight(middle, *(x[..., None] for x in columns))
    most = logs.amax(-1).detach()
    mass = (width * (logs - most[..., None]).exp()).sum(-1)
    return -(log_weight(units, *columns) - most - mass.log()).sum(-1)


def _stirling(x: Tensor) -> Tensor:
    inverse = 1.0 / x
    square = inverse * inverse
    return inverse * (1.0 / 12.0 - square * (1.0 / 360.0 - square / 1260.0))


def _log_growth(k: Tensor, d: Tensor, a: Tensor) -> Tensor:
    x, y = k + a, k + 1.0
    shift = ((x * (x + 1.0)) / ((x + d) * (x + d + 1.0))) * (
        ((y + d) * (y + d + 1.0)) / (y * (y + 1.0))
    )
    x, y = x + 2.0, y + 2.0
    main = shift.log() + d * ((x + d) / (y + d)).log()
    main = main + (x - 0.5) * (d / x).log1p() - (y - 0.5) * (d / y).log1p()
    return main + _stirling(x + d) - _stirling(x) - _stirling(y + d) + _stirling(y)


def _widening(length: Tensor, steps: Tensor, number: Tensor) -> Tensor:
    number = number.clamp(min=1.0)
    rate = (_WIDEN * length / number).log1p()
    scale = 0.5 * length / rate.expm1().clamp(min=_TINY)
    t = (steps * (1.0 / number)).clamp(0.0, 1.0)
    rise = scale * (2.0 * rate * torch.minimum(t, 1.0 - t)).expm1()
    return torch.where(t <= 0.5, rise, length - rise)


def _cells(first: Tensor, last: Tensor, centre: Tensor) -> tuple[Tensor, Tensor]:
    step = torch.arange(_CELLS + 1, dtype=first.dtype, device=first.device)
    exact = torch.minimum(first + step, last + 1.0)
    left, right = centre - first, last + 1.0 - centre
    log_left, log_right = left.log1p(), right.log1p()
    number = torch.round(_CELLS * log_left / (log_left + log_right))
    wide = first + torch.round(
        _widening(left, step, number) + _widening(right, step - number, _CELLS - number)
    )
    wide = torch.where(step > 0, torch.maximum(wide, first + 1.0), first)
    wide = torch.where(step < _CELLS, torch.minimum(wide, last), last + 1.0)
    ends = torch.where(last - first < _CELLS, exact, wide)
    return ends[..., :-1], ends[..., 1:] - ends[..., :-1]
