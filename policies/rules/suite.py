"""All baselines with the boxes that they are tuned in, ready to be looped over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike

from draingym.policies.rules.base_stock import BaseStock, OrderUpTo
from draingym.policies.rules.echelon import CappedBaseStock, EchelonBaseStock, ReorderPoint
from draingym.policies.rules.placement import (
    CappedOrderUpTo,
    CoverReorder,
    DemandProportional,
    DistanceAware,
    Newsvendor,
    OrderUpToPerNode,
)
from draingym.policies.rules.scenario_program import ScenarioProgram
from draingym.policies.rules.transport import RollingHorizon, TransportPlacement
from draingym.policies.tree import Tree
from draingym.simulator import Policy

Bounds = Mapping[str, tuple[ArrayLike, ArrayLike]]

# List price of US ground parcel for three pounds, halved: currency a unit, and per 1000 km.
SHIP_FIXED, SHIP_PER_1000_KM = 3.5, 1.5


class Baseline(NamedTuple):
    """A policy and the box that ``tune`` searches.

    >>> baseline = Baseline(BaseStock(), {"": (0.0, 40.0)})
    >>> type(baseline.policy).__name__, baseline.bounds[""]
    ('BaseStock', (0.0, 40.0))
    """

    policy: Policy
    bounds: Bounds


def ship_cost_by_distance(
    tree: Tree, fixed: float = SHIP_FIXED, per_1000_km: float = SHIP_PER_1000_KM
) -> tuple[tuple[float, ...], ...]:
    """Return [N, Z] currency a unit: a line in the distance, as linear programs take it."""
    cost = fixed + per_1000_km * np.asarray(tree.distance, np.float64)
    return tuple(tuple(float(entry) for entry in row) for row in cost)


def mean_lead_time(lead_time: ArrayLike) -> tuple[int, ...]:
    """Return [N] whole periods from [N, L+1] probabilities: the mean, rounded up at a half."""
    pmf = np.asarray(lead_time, np.float64)
    mean = pmf @ np.arange(pmf.shape[1])
    return tuple(int(periods) for periods in np.floor(mean + 0.5))


def baseline_suite(
    tree: Tree,
    *,
    period_days: float = 1.0,
    lead_time: ArrayLike | None = None,
    unit_ship_cost: tuple[tuple[float, ...], ...] | None = None,
    programs: bool = True,
) -> dict[str, Baseline]:
    """Return every placement baseline by name, with the box of its parameters.

    Loop over it with ``tune(task, policy, bounds, config)``; ``TuneConfig(rollouts=...)`` gives
    each as many rollouts as training took.

    Args:
        tree: The network.
        period_days: Days of a period: covers are bounded in days.
        lead_time: [N, L+1] probability of k periods from the parent; without it the
            rolling-horizon program, which needs one, is left out.
        unit_ship_cost: [N, Z] currency a unit, for programs; a line in the distance when not
            given.
        programs: Whether to include policies that solve linear programs on the host, which take a
            hundred times as long as the others.

    Returns:
        Policies and bounds by name; the first is the plain order-up-to policy.

    Raises:
        ValueError: If ``period_days`` is not above 0.
    """
    if not period_days > 0:
        raise ValueError(f"period_days is {period_days}, must be above 0")
    buy = (4.0 / period_days, 60.0 / period_days)
    place = (1.0 / period_days, 30.0 / period_days)
    safety = (0.02, 10.0)
    covers = {"buy_cover": buy, "place_cover": place, "safety": safety}
    cost = ship_cost_by_distance(tree) if unit_ship_cost is None else unit_ship_cost
    root = np.asarray(tree.parent) < 0
    per_node = (np.where(root, buy[0], place[0]), np.where(root, buy[1], place[1]))
    suite = {
        "order up to": Baseline(OrderUpTo(tree=tree), covers),
        "order up to, per node": Baseline(
            OrderUpToPerNode(tree=tree), {"cover": per_node, "safety": safety}
        ),
        "capped order up to": Baseline(
            CappedOrderUpTo(tree=tree), covers | {"cap": (1.0, 30.0 / period_days)}
        ),
        "(s, S)": Baseline(
            CoverReorder(tree=tree), covers | {"batch": (0.1 / period_days, 14.0 / period_days)}
        ),
        "newsvendor": Baseline(
            Newsvendor(tree=tree),
            {
                "buy_cover": buy,
                "place_cover": place,
                "buy_fractile": (0.3, 0.999),
                "place_fractile": (0.3, 0.999),
                "cv": (0.02, 1.5),
            },
        ),
        "demand proportional": Baseline(
            DemandProportional(tree=tree),
            {"buy_cover": buy, "safety": safety, "push": (0.02, 1.0)},
        ),
        "distance aware": Baseline(DistanceAware(tree=tree), covers | {"reach": (0.01, 3.0)}),
        "scenario program": Baseline(
            ScenarioProgram(tree=tree, unit_ship_cost=cost),
            {"buy_cover": buy, "place_cover": place, "cv": (0.02, 1.5), "stock_value": (0.2, 0.99)},
        ),
    }
    if not programs:
        return suite
    suite["transport program"] = Baseline(
        TransportPlacement(tree=tree, unit_ship_cost=cost), covers
    )
    if lead_time is not None:
        leads = mean_lead_time(lead_time)
        suite["rolling horizon"] = Baseline(
            RollingHorizon(
                tree=tree, unit_ship_cost=cost, lead_time=leads, periods=_plan(tree, leads)
            ),
            {"uplift": (0.7, 5.0), "stock_value": (0.2, 1.0)},
        )
    return suite


def _plan(tree: Tree, lead_time: tuple[int, ...]) -> int:
    """Return periods of a plan: the longest way from the vendor, and four to sell in."""
    longest: list[int] = []
    for node, parent in enumerate(np.asarray(tree.parent)):
        longest.append(lead_time[node] + (longest[int(parent)] + 1 if parent >= 0 else 0))
    return max(longest) + 4


def store_suite(*, most: float) -> dict[str, Baseline]:
    """Return the baselines of a single store: base stock, capped base stock, (s, S).

    Args:
        most: Units that no level exceeds.

    Raises:
        ValueError: If ``most`` is not above 0.
    """
    if not most > 0:
        raise ValueError(f"most is {most} units, must be above 0")
    units = (most / 100.0, most)
    return {
        "base stock": Baseline(BaseStock(), {"": units}),
        "capped base stock": Baseline(CappedBaseStock(), {"level": units, "cap": units}),
        "(s, S)": Baseline(ReorderPoint(), {"level": units, "batch": (0.0, most / 2.0)}),
    }


def serial_suite(parent: tuple[int, ...], *, most: ArrayLike) -> dict[str, Baseline]:
    """Return the baselines of a line or tree with backlog: echelon base stock and per node.

    Args:
        parent: Of every node, -1 for the vendor.
        most: Units that no level exceeds, one number or one a node.

    Raises:
        ValueError: If ``most`` is not above 0.
    """
    top = np.broadcast_to(np.asarray(most, np.float64), (len(parent),))
    if not (top > 0).all():
        raise ValueError(f"most is {most} units, must be above 0")
    return {
        "echelon base stock": Baseline(EchelonBaseStock(parent=parent), {"": (top / 100.0, top)}),
        "base stock, per node": Baseline(BaseStock(parent=parent), {"": (top / 100.0, top)}),
    }
