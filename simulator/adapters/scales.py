"""Units and money that an environment counts in where a learner wants numbers near one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from draingym.simulator.types import Observation, Params, Scenario

_EPISODES = 32  # that the mean demand is taken from
_UNITS = (
    *("on_hand", "pipeline", "waiting", "forecast", "owed", "gate", "door", "parts", "ages"),
    *("queue", "demand"),
)
_PRICES = ("price", "unit_cost", "storage_price")


@dataclass(frozen=True, kw_only=True, slots=True)
class Scales:
    """What one is, in an observation and in a reward.

    Both are powers of two, so that dividing by them and multiplying again loses no bit of a number.
    """

    units: float = 1.0  # units of demand a period
    money: float = 1.0  # currency a period

    def scaled(self, observation: Observation) -> Observation:
        """Return units by ``units``, and prices by ``money / units``; nothing else changes."""
        return self._times(observation, 1.0 / self.units, self.units / self.money)

    def unscaled(self, observation: Observation) -> Observation:
        """Return what was scaled, in units and currency: the inverse of ``scaled``, exactly."""
        return self._times(observation, self.units, self.money / self.units)

    def _times(self, observation: Observation, units: float, price: float) -> Observation:
        if self == Scales():
            return observation
        factors = dict.fromkeys(_UNITS, units) | dict.fromkeys(_PRICES, price)
        held = {name: getattr(observation, name) for name in factors}
        changed = {name: value * factors[name] for name, value in held.items() if value is not None}
        return replace(observation, **changed)


def scales_of(sample: Callable[[Array], Scenario], params: Params) -> Scales:
    """Return the scales of a problem: its mean demand, and what that earns or costs.

    ``units`` is the mean demand that is forecast for a period, over all regions and some episodes.
    ``money`` is ``units`` times the mean price; where nothing has a price, times the largest cost
    of a unit that is not sold, or the largest holding cost. Both are rounded to a power of two.

    Args:
        sample: Draws an episode from a key.
        params: The problem's.

    Raises:
        ValueError: If no demand is forecast.
    """

    def one(key: Array) -> tuple[Array, Array]:
        series = sample(key).series
        return jnp.mean(jnp.sum(jnp.abs(series.forecast), axis=1)), jnp.mean(series.price)

    keys = jax.random.split(jax.random.key(0), _EPISODES)
    forecast, price = jax.device_get(jax.jit(lambda keys: jax.lax.map(one, keys))(keys))
    demand = float(np.mean(forecast))
    if not demand > 0.0:
        raise ValueError("scaled is True, must be False: no demand is forecast")
    terms = params.terms
    sale = None if terms is None else terms.sale_price
    unmet = None if terms is None else terms.unmet_price
    prices = (
        *(np.mean(price), _largest(sale), _largest(params.unmet_cost), _largest(unmet)),
        _largest(params.holding_cost),
    )
    each = next((float(value) for value in prices if value > 0.0), 1.0)
    return Scales(units=_power_of_two(demand), money=_power_of_two(demand * each))


def _largest(values: Any) -> float:
    return 0.0 if values is None else float(np.max(np.abs(values), initial=0.0))


def _power_of_two(value: float) -> float:
    return 2.0 ** round(math.log2(value))
