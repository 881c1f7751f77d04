"""What serves the views of a replay: a planner by name, or systems of one's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from draingym.oracle.estimates.rates import PeriodRates
from draingym.oracle.fulfilment.emulated import (
    ClosestFulfilment,
    EmulatedConversion,
    EmulatedPromise,
    EmulatedShipCost,
    GreedyFulfilment,
)
from draingym.oracle.fulfilment.engine import Engine
from draingym.oracle.fulfilment.waves import WaveFulfilment
from draingym.oracle.protocols import FulfilmentSystem, ProductionSystems
from draingym.oracle.replays.setting import ReplaySetting
from draingym.oracle.systems import Systems
from draingym.world.views import Views

# What makes systems of one's own from the emulated ones and a seed. ``replay_many`` sends it to
# other processes, so it must be a function of a module there, not a lambda.
MakeSystems = Callable[[Systems, int], ProductionSystems]
PLANNERS = ("greedy", "greedy_reference", "closest", "batch_milp")
_FULFILMENT: Mapping[str, Callable[[Systems], FulfilmentSystem]] = {
    "greedy_reference": GreedyFulfilment,
    "closest": ClosestFulfilment,
    "batch_milp": WaveFulfilment,
}


def engine_for(
    setting: ReplaySetting, planner: str | MakeSystems, views: Views, seed: int
) -> Engine | None:
    """Return the engine of a planner, or None where the compiled loop will do.

    Raises:
        ValueError: If there is no planner of the name.
    """
    systems = setting.systems
    if planner == "greedy":
        return None
    if isinstance(planner, str):
        if planner not in PLANNERS:
            msg = f"planner is {planner!r}, must be one of {PLANNERS} or a function"
            raise ValueError(msg)
        production = ProductionSystems(
            promise=EmulatedPromise(systems),
            conversion=EmulatedConversion(
                systems,
                setting.rates if isinstance(setting.rates, PeriodRates) else None,
                period_days=setting.period_days,
                origin=setting.origin,
            ),
            fulfilment=_FULFILMENT[planner](systems),
            ship_cost=EmulatedShipCost(systems, seed),
        )
    else:
        production = planner(systems, seed)
    return Engine(
        production, systems, views, period_days=setting.period_days, origin=setting.origin
    )
