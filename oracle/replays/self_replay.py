"""The self-replay: a log's own stock through its oracle, which must give the log again.

Whoever concludes anything from an oracle that was estimated from a log asks this first. Customers
are drawn given what they did, so that orders come back where promises do; which node ships, what it
costs and how boxes are filled must follow from what was estimated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from draingym.common.arrays import BoolArray, FloatArray, IntArray, require_range, require_seed
from draingym.common.config import require_fields
from draingym.oracle.fulfilment.period import drain_period
from draingym.oracle.moves import log_moves
from draingym.oracle.replays.setting import ReplaySetting
from draingym.world.homes import in_order, view_homes
from draingym.world.views import PROMISES


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckBounds:
    """How far a self-replay may be from its log, on the worst seed.

    >>> CheckBounds(units=0.05).units
    0.05
    """

    node_share: float = 0.03  # of the units, at any node; a difference of shares
    units: float = 0.02  # relative
    cost: float = 0.03  # relative
    promise_share: float = 0.03  # of the views that were seen, of any promise; of shares
    boxes: float = 0.05  # relative

    def __post_init__(self) -> None:
        """Check the bounds."""
        require_fields(self)
        for name in ("node_share", "units", "cost", "promise_share", "boxes"):
            require_range(name, getattr(self, name), low=0.0, high=1.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Flows:
    """What left each node in each period. ``T`` periods, ``N`` nodes."""

    units: IntArray  # [T, N]
    cost: FloatArray  # [T, N] currency
    boxes: IntArray  # [T, N]
    promises: IntArray  # [T, 4] views by the promise shown; not of orders without a view


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """One figure of a self-replay beside the log's."""

    what: str
    off: float  # on the worst seed: a relative error, or the largest difference of shares
    bound: float
    worst: str  # where: a node, a promise, or "in all"

    @property
    def passes(self) -> bool:
        """Whether it keeps to its bound."""
        return self.off <= self.bound


@dataclass(frozen=True, kw_only=True, slots=True)
class SelfReplay:
    """A log replayed on its own stock by its oracle, and how far it came out from the log."""

    log: Flows
    replays: tuple[Flows, ...]  # one for each seed
    seeds: tuple[int, ...]
    nodes: tuple[str, ...]  # names
    comparisons: tuple[Comparison, ...]
    by_period: float  # mean over periods and nodes of |units - log's|, a share of the log's units

    @property
    def passes(self) -> bool:
        """Whether every figure keeps to its bound."""
        return all(comparison.passes for comparison in self.comparisons)

    @property
    def sentence(self) -> str:
        """What came out, in one sentence."""
        if self.passes:
            figures = ", ".join(_said(comparison) for comparison in self.comparisons)
            return f"The oracle gives the log again on its own stock: {figures}."
        failed = ", ".join(
            f"{_said(comparison)} (bound {_percent(comparison.bound)})"
            for comparison in self.comparisons
            if not comparison.passes
        )
        return f"The oracle does not give the log again on its own stock: {failed}."

    def to_dict(self) -> dict[str, Any]:
        """Return plain values: figures, totals by node, and units by period and node."""
        return {
            "passes": self.passes,
            "sentence": self.sentence,
            "seeds": list(self.seeds),
            "comparisons": [
                asdict(comparison) | {"passes": comparison.passes}
                for comparison in self.comparisons
            ],
            "by_period": self.by_period,
            "nodes": list(self.nodes),
            "log": _totals(self.log),
            "replays": [_totals(flows) for flows in self.replays],
            "periods": {
                "log": _by_period(self.log),
                "replay": _by_period(self.replays[0]),
            },
        }


def self_replay(
    setting: ReplaySetting,
    *,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    bounds: CheckBounds | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SelfReplay:
    """Replay a log on its own stock, and hold it against the log.

    Every period begins with the stock that the log had, so that errors do not add up. What was
    stowed in it comes when the log says, or else when the period begins.

    Args:
        setting: Derived from the log.
        seeds: Of customers' latents and costs; the worst one counts.
        bounds: How far a replay may be off.
        progress: Called with (periods done, periods), over all seeds.

    Raises:
        ValueError: If there is no seed.
    """
    if not len(seeds):
        raise ValueError("seeds is empty, must hold at least 1")
    for seed in seeds:
        require_seed(seed)
    bounds = CheckBounds() if bounds is None else bounds
    log = log_flows(setting)
    served = in_order(setting.log, view_homes(setting.log))
    seen = setting.log.array("glance_views", "seen")[served]
    total = len(seeds) * setting.num_periods
    replays = []
    for k, seed in enumerate(seeds):
        before = k * setting.num_periods

        def advance(done: int, before: int = before) -> None:
            if progress is not None:
                progress(before + done, total)

        replays.append(_replayed(setting, seen, seed, advance))
    nodes = tuple(str(name) for name in setting.panel["node"].to_numpy())
    apart = [np.abs(flows.units - log.units).sum() for flows in replays]
    return SelfReplay(
        log=log,
        replays=tuple(replays),
        seeds=tuple(int(seed) for seed in seeds),
        nodes=nodes,
        comparisons=_compare(log, replays, nodes, bounds),
        by_period=float(np.mean(apart) / max(int(log.units.sum()), 1)),
    )


def require_self_replay(check: SelfReplay, *, allow_failed: bool = False) -> tuple[str, ...]:
    """Refuse to conclude anything from an oracle that does not give its log again.

    Args:
        check: What ``self_replay`` returned.
        allow_failed: Whether to go on all the same.

    Returns:
        What a page must say: nothing, or the check's sentence where it failed and was allowed to.

    Raises:
        ValueError: With the check's sentence, where it failed and was not allowed to.
    """
    if check.passes:
        return ()
    if not allow_failed:
        raise ValueError(f"{check.sentence} No verdict is given on such an oracle.")
    return (f"{check.sentence} Figures were asked for all the same.",)


def log_flows(setting: ReplaySetting) -> Flows:
    """Return what left each node in each period of the log."""
    log, panel = setting.log, setting.panel
    units, cost = (
        panel[name].transpose("period", "node", "product").to_numpy().sum(axis=2)
        for name in ("outbound", "ship_cost")
    )
    periods, nodes = units.shape
    _, first = np.unique(log.array("boxes", "box"), return_index=True)
    time, node = (log.array("boxes", name)[first] for name in ("shipped_at", "node"))
    left = np.floor((time - setting.origin) / setting.period_days).astype(np.int64)
    inside = (left >= 0) & (left < periods)
    boxes = np.bincount(left[inside] * nodes + node[inside], minlength=periods * nodes)
    period, promise = (log.array("glance_views", name) for name in ("period", "promise"))
    cell = period.astype(np.int64) * len(PROMISES) + promise
    seen = log.array("glance_views", "seen")
    shown = np.bincount(cell[seen], minlength=periods * len(PROMISES))
    return Flows(
        units=units.astype(np.int64),
        cost=cost.astype(np.float64),
        boxes=boxes.reshape(periods, nodes),
        promises=shown.reshape(periods, len(PROMISES)),
    )


def _replayed(
    setting: ReplaySetting, seen: BoolArray, seed: int, advance: Callable[[int], None]
) -> Flows:
    """Return what would have left on the log's own stock; of views as served, which were seen."""
    views = setting.views(seed, complete=True)
    stock = np.ascontiguousarray(setting.stock.transpose(1, 0, 2))
    moves = log_moves(setting.log)
    units, cost, boxes, promises = [], [], [], []
    for period in range(setting.num_periods):
        systems, here = setting.systems_in(period), moves.of(period)
        outcome = drain_period(systems, views, period, stock[period], moves=here, seed=seed)
        units.append(outcome.outbound.sum(axis=0))
        cost.append(outcome.ship_cost.sum(axis=0))
        boxes.append(np.bincount(outcome.box_node, minlength=stock.shape[2]))
        shown = outcome.promise[seen[views.offsets[period] : views.offsets[period + 1]]]
        promises.append(np.bincount(shown, minlength=len(PROMISES)))
        advance(period + 1)
    return Flows(
        units=np.stack(units),
        cost=np.stack(cost),
        boxes=np.stack(boxes),
        promises=np.stack(promises),
    )


def _compare(
    log: Flows, replays: Sequence[Flows], nodes: Sequence[str], bounds: CheckBounds
) -> tuple[Comparison, ...]:
    def relative(what: str, name: str, bound: float) -> Comparison:
        right = float(getattr(log, name).sum())
        found = [abs(float(getattr(flows, name).sum()) - right) for flows in replays]
        off = max(found) / right if right else (0.0 if max(found) == 0.0 else np.inf)
        return Comparison(what=what, off=float(off), bound=bound, worst="in all")

    def shares(what: str, name: str, labels: Sequence[str], bound: float) -> Comparison:
        right = _share(getattr(log, name))
        gap = np.max([np.abs(_share(getattr(flows, name)) - right) for flows in replays], axis=0)
        worst = int(gap.argmax())
        return Comparison(what=what, off=float(gap[worst]), bound=bound, worst=labels[worst])

    found = [
        shares("node shares", "units", nodes, bounds.node_share),
        relative("units", "units", bounds.units),
        relative("ship cost", "cost", bounds.cost),
        shares("promises", "promises", PROMISES, bounds.promise_share),
        relative("boxes", "boxes", bounds.boxes),
    ]
    return tuple(found)


def _share(values: NDArray[Any]) -> FloatArray:
    total = values.sum(axis=0).astype(np.float64)
    return np.asarray(total / max(float(total.sum()), 1.0), np.float64)


def _said(comparison: Comparison) -> str:
    if not np.isfinite(comparison.off):
        return f"{comparison.what}, of which the log has none"
    where = "" if comparison.worst == "in all" else f" at {comparison.worst}"
    off = f"{100 * comparison.off:.1f} points" if where else _percent(comparison.off)
    return f"{comparison.what} off by {off}{where}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f}%"


def _totals(flows: Flows) -> dict[str, Any]:
    return {
        "units": flows.units.sum(axis=0).tolist(),
        "cost": flows.cost.sum(axis=0).tolist(),
        "boxes": flows.boxes.sum(axis=0).tolist(),
        "promises": dict(zip(PROMISES, flows.promises.sum(axis=0).tolist(), strict=True)),
    }


def _by_period(flows: Flows) -> dict[str, Any]:
    return {
        "units": flows.units.tolist(),
        "cost": flows.cost.tolist(),
        "boxes": flows.boxes.tolist(),
        "promises": flows.promises.tolist(),
    }
