"""Decisions made or not: an (s, S) policy and batches, their derivatives against exact ones."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from scipy import stats

from draingym import Arc, Network, Node, Normal, Poisson
from draingym.simulator import RandomReorder, decision_returns

FEE, HOLDING, UNMET, RATE, PERIODS, START, WIDTH = 5.0, 1.0, 4.0, 6.0, 5, 9.0, 1.0
POLICY = RandomReorder(width=WIDTH)
AT = {"reorder": 3.2, "level": 10.4}
BATCH = {"reorder": 3.2, "level": 10.4, "batch": 4.3}
STEPS = {"reorder": 0.2, "level": 0.2, "batch": 0.1}  # of differences, to either side
CHUNK = 4000


def shop(*, whole: bool) -> Network:
    """Return a shop whose orders cost a fee, and whose customers, of whole or real units, wait."""
    return Network(
        nodes=[Node("shop", on_hand=START, holding_cost=HOLDING, unmet_cost=UNMET, backlog=True)],
        arcs=[Arc(None, "shop", request_fee=FEE)],
        demand={"shop": Poisson(rate=RATE) if whole else Normal(means=(RATE,), sds=(2.0,))},
    )


def exact(reorder: float, level: float) -> float:
    """Return the expected cost with Poisson demand, by backward induction.

    Net stock is a number of whole units below the stock at the start, or below the level.
    """
    demand = stats.poisson.pmf(np.arange(40), RATE)
    reach = 40 * (PERIODS + 1)
    below = np.arange(reach)

    def period(stock: np.ndarray) -> np.ndarray:
        left = stock[:, None] - np.arange(40)
        cost: np.ndarray = (HOLDING * np.maximum(left, 0) + UNMET * np.maximum(-left, 0)) @ demand
        return cost

    stocks = [START - below, level - below]
    ahead = [np.zeros(reach), np.zeros(reach)]
    for _ in range(PERIODS):
        after = [np.convolve(np.pad(v, (0, 39)), demand[::-1], "valid") for v in ahead]
        stay = [period(stock) + v for stock, v in zip(stocks, after, strict=True)]
        order = FEE + stay[1][0]
        chance = [1 / (1 + np.exp((stock - reorder) / WIDTH)) for stock in stocks]
        ahead = [
            np.where(stock < level, p * order + (1 - p) * v, v)
            for stock, p, v in zip(stocks, chance, stay, strict=True)
        ]
    return float(ahead[0][0])


def cost(
    network: Network, params: Any, key: Array, batch: int, *, horizon: int | None = None
) -> Array:
    """Return the mean cost by simulation, whose derivative counts decisions."""
    built = network.built
    key_demand, key_policy = jax.random.split(key)
    scenarios = jax.vmap(lambda key: built.sample(key, PERIODS))(
        jax.random.split(key_demand, batch)
    )
    returns = decision_returns(
        built.simulator, built.params, POLICY, params, scenarios, key_policy, horizon=horizon
    )
    return -returns.mean()


def path_alone(network: Network, params: Any, key: Array, batch: int) -> Array:
    """Return the same mean cost, whose derivative is that of the paths."""
    built = network.built
    key_demand, key_policy = jax.random.split(key)

    def one(key: Array, own: Array) -> Array:
        scenario = built.sample(key, PERIODS)
        moves = built.simulator.rollout(built.params, POLICY, params, scenario, own).transitions
        return moves.reward.sum()

    keys = jax.random.split(key_demand, batch), jax.random.split(key_policy, batch)
    return -jax.vmap(one)(*keys).mean()


def _differences(params: dict[str, Array], network: Network, key: Array) -> dict[str, Array]:
    """Return differences of the mean cost with common random numbers."""

    def at(name: str, sign: float) -> Array:
        moved = params | {name: params[name] + sign * STEPS[name]}
        return cost(network, moved, key, CHUNK)

    return {name: (at(name, 1) - at(name, -1)) / (2 * STEPS[name]) for name in params}


def compared(network: Network, at: dict[str, float], chunks: int, seed: int) -> dict[str, Any]:
    """Return derivatives by decisions and by paths, and differences: [chunks] of each parameter."""
    params = {name: jnp.float32(value) for name, value in at.items()}

    @jax.jit
    def one(key: Array) -> tuple[dict[str, Array], ...]:
        return (
            jax.grad(lambda p: cost(network, p, key, CHUNK))(params),
            jax.grad(lambda p: path_alone(network, p, key, CHUNK))(params),
            _differences(params, network, key),
        )

    found = [jax.device_get(one(key)) for key in jax.random.split(jax.random.key(seed), chunks)]
    ours, paths, differences = jax.tree.map(lambda *parts: np.array(parts), *found)
    return {"decisions": ours, "path": paths, "differences": differences}


def _row(problem: str, name: str, found: dict[str, Any], truth: tuple[float, float]) -> Any:
    """Return what was found for a parameter, beside the truth and its standard error."""
    ours = found["decisions"][name].astype(np.float64)
    value, error = truth
    own = float(ours.std(ddof=1)) / math.sqrt(ours.size)
    return {
        "problem": problem,
        "parameter": name,
        "truth": value,
        "truth s.e.": error,
        "path alone": float(found["path"][name].mean(dtype=np.float64)),
        "decision_returns": float(ours.mean()),
        "s.e.": own,
        "apart, s.e.": abs(float(ours.mean()) - value) / math.hypot(own, error),
        "trajectories": ours.size * CHUNK,
    }


def all_decisions(chunks: int, chunks_of_batches: int, seed: int = 0) -> list[dict[str, Any]]:
    """Return a row for each parameter of an (s, S) policy, and of one that orders in batches.

    Args:
        chunks: Of ``CHUNK`` trajectories, for (s, S).
        chunks_of_batches: The same for batches, which take more.
        seed: Of all draws.
    """
    rows, step = [], 1e-4
    found = compared(shop(whole=True), AT, chunks, seed)
    for name in AT:
        up, down = (exact(**AT | {name: AT[name] + sign * step}) for sign in (1, -1))
        truth = (up - down) / (2 * step)
        rows.append(_row("(s, S), backward induction", name, found, (truth, 0.0)))
    found = compared(shop(whole=False), BATCH, chunks_of_batches, seed)
    for name in BATCH:
        apart = found["differences"][name].astype(np.float64)
        truth_of = float(apart.mean()), float(apart.std(ddof=1)) / math.sqrt(apart.size)
        rows.append(_row("batches, differences", name, found, truth_of))
    return rows
