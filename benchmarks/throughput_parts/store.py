"""The lost-sales store: simulation and training, beside PyTorch and beside printed figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from benchmarks._common import timed
from benchmarks.throughput_parts.dense_policy import DensePolicy
from benchmarks.throughput_parts.speeds import PEER, REPEATS, Row, row, trainer
from draingym.common.machine import machine
from draingym.common.shared_jit import jit
from draingym.simulator import Observation, Poisson, Scenario, batch_returns, single_store
from draingym.simulator.problems.classic import Problem

PERIODS, LEAD, MEAN, UNMET = 50, 4, 5.0, 9.0
BATCHES = (1024, 8192)
CHUNK = 256
# ``torch_store`` is this project's own, and leaner: it has nothing but the store.
LEAN = "PyTorch (lean)"
# Steps a second of ``PEER``.
PRINTED = {
    ("simulation", 1024): 7.7e6,
    ("simulation", 8192): 19.5e6,
    ("training", 1024): 0.79e6,
    ("training", 8192): 1.52e6,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class AsForecast:
    """Requests what is forecast: requests drawn beforehand travel there."""

    def init(self, key: jax.Array) -> None:
        """Return no parameters."""
        del key

    def apply(self, params: None, observation: Observation, key: jax.Array) -> jax.Array:
        """Return the forecast."""
        del params, key
        return observation.forecast


def store() -> Problem:
    """Return the lost-sales store."""
    return single_store(lead_time=LEAD, unmet_cost=UNMET, backlog=False, demand=Poisson(rate=MEAN))


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawn:
    """A batch of the store, and the policy that is trained on it."""

    batch: int
    scenario: Scenario
    orders: jax.Array  # [T, 1, B] units, of the simulation
    policy: DensePolicy
    weights: Any

    @classmethod
    def of(cls, batch: int) -> Drawn:
        """Draw demand, orders and first weights."""
        key_orders, key_demand, key_init = jax.random.split(jax.random.key(0), 3)
        policy = DensePolicy(num_nodes=1, lead_time=LEAD, scale=MEAN)
        return cls(
            batch=batch,
            scenario=store()[2](key_demand, PERIODS, batch),
            orders=2 * MEAN * jax.random.uniform(key_orders, (PERIODS, 1, batch)),
            policy=policy,
            weights=policy.init(key_init),
        )


def own_functions(drawn: Drawn, chunk: int = CHUNK) -> dict[str, Callable[[], Any]]:
    """Return what is timed by name; the gradient is that of ``chunk`` stores at a time."""
    simulator, params, _ = store()
    scenario, orders = drawn.scenario, drawn.orders
    given = replace(scenario, series=replace(scenario.series, forecast=orders))
    simulate: Callable[[Scenario], Any] = jit(
        lambda scenario: batch_returns(simulator, params, AsForecast(), None, scenario).mean()
    )
    optimizer, update = trainer((simulator, params), drawn.policy, chunk)
    state = [drawn.weights, optimizer.init(drawn.weights)]

    def train() -> float:
        state[0], state[1], value = update(*state, scenario)
        return float(value)

    return {"simulation": lambda: float(simulate(given)), "training": train}


def store_functions(
    batch: int,
) -> tuple[dict[str, Callable[[], Any]], Callable[[], Any], str]:
    """Return what is timed by name, the same for PyTorch, and why that is empty if it is."""
    drawn = Drawn.of(batch)
    ours = own_functions(drawn)
    try:
        import torch

        from benchmarks.throughput_parts.torch_store import TorchStore
    except ImportError as error:
        return ours, lambda: {}, f"PyTorch cannot be imported ({error})"
    peer = TorchStore(LEAD, 1.0, UNMET, MEAN, drawn.weights)
    demand = torch.tensor(np.asarray(drawn.scenario.series.glance_views)[:, 0])
    requests = torch.tensor(np.asarray(drawn.orders).transpose(0, 2, 1).copy())
    pairs = [(-ours["simulation"]() / PERIODS, peer.simulate(demand, requests))]
    pairs += [(ours["training"](), peer.update(demand)) for _ in range(3)]
    for a, b in pairs:
        if not abs(a - b) <= 1e-3 * abs(a):
            raise RuntimeError(f"the store costs {a} a period, and {b} in PyTorch")

    def theirs() -> dict[str, float]:
        best: dict[str, float] = {}
        for threads in (1, machine()["cores"]):
            torch.set_num_threads(threads)
            functions = {
                "simulation": lambda: peer.simulate(demand, requests),
                "training": lambda: peer.update(demand),
            }
            for name, (wall, _) in timed(functions, 5).items():
                best[name] = min(best.get(name, wall), wall)
        return best

    return ours, theirs, ""


def store_rows() -> tuple[list[Row], str]:
    """Return simulation and training of the lost-sales store, and why PyTorch is missing."""
    rows, reason = [], ""
    for batch in BATCHES:
        ours, theirs, reason = store_functions(batch)
        mine, yours, steps = timed(ours, REPEATS), theirs(), batch * PERIODS
        for name, (wall, _) in mine.items():
            label, speed = f"lost-sales store, {name}", steps / wall
            rows.append(row(label, batch, speed, PEER, PRINTED[name, batch], "printed"))
            if name in yours:
                rate = steps / yours[name]
                rows.append(row(label, batch, speed, LEAN, rate, "in this run"))
    return rows, reason
