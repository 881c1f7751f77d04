"""How fast the simulator is, beside other simulators of the same problems.

A step is one trajectory advanced by one period. Ours are ``batch_returns`` of whole trajectories,
and ``chunked_value_and_grad`` with an update of Adam. PyTorch runs the same store with the same
network, demand and starting weights (``_torch_store.py``; its losses must agree with ours), on one
thread and on all, the faster of which counts. Other environments are timed in this run where
``--peers`` names a folder that ``_peers.py`` has filled; otherwise printed figures stand in, which
were measured on two cores, one thread.

    python -m benchmarks.throughput [--peers FOLDER]
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tyro

from benchmarks._common import (
    Claim,
    at_least,
    figure_only,
    print_claims,
    print_table,
    save_figure,
    write_result,
)
from benchmarks._dense_policy import DensePolicy
from benchmarks._peers import PEERS, interpreter
from benchmarks.drain_speed import NODES, REGIONS, Rollouts, timed
from draingym.common.machine import machine
from draingym.drain_model import PRESETS
from draingym.policies import BaseStock
from draingym.simulator import (
    Observation,
    Params,
    Poisson,
    Policy,
    Scenario,
    Simulator,
    batch_returns,
    chunked_value_and_grad,
    serial_in_transit,
    serial_line,
    single_store,
    transshipment,
)
from draingym.simulator.problems.classic import Problem
from draingym.simulator.scenarios.demand import Normal

PERIODS, LEAD, MEAN, UNMET = 50, 4, 5.0, 9.0
BATCHES = (1024, 8192)
CHUNK = 256
REPEATS = 9
# The differentiable simulator of hindsight policy optimisation is no package to install: its speed
# was measured on two cores and one thread. ``_torch_store`` is this project's own, and leaner: it
# has nothing but the store.
PEER, LEAN = "PyTorch (HDPO)", "PyTorch (lean)"
# Steps a second of the first.
PRINTED = {
    ("simulation", 1024): 7.7e6,
    ("simulation", 8192): 19.5e6,
    ("training", 1024): 0.79e6,
    ("training", 8192): 1.52e6,
}
# Of that simulator's other problems: batch, simulation, training.
PRINTED_TREES = {"serial": (8192, 5.5e6, 1.38e6), "stores": (1024, 1.95e6, 26e3)}
Row = dict[str, Any]


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Fixed:
    """Requests the same in every period."""

    units: float

    def init(self, key: jax.Array) -> None:
        """Return no parameters."""
        del key

    def apply(self, params: None, observation: Observation, key: jax.Array) -> jax.Array:
        """Return ``units`` for every node."""
        del params, key
        return jnp.full_like(observation.on_hand, self.units)


def row(what: str, batch: int, ours: float, peer: str, theirs: float, measured: str) -> Row:
    """Return one comparison; speeds in steps a second."""
    return {
        "problem": what,
        "batch": batch,
        "M steps/s": ours / 1e6,
        "peer": peer,
        "peer's M steps/s": theirs / 1e6,
        "times faster": ours / theirs,
        "peer measured": measured,
    }


def store() -> Problem:
    """Return the lost-sales store."""
    return single_store(lead_time=LEAD, unmet_cost=UNMET, backlog=False, demand=Poisson(rate=MEAN))


def trainer(
    problem: tuple[Simulator, Params], policy: Policy, chunk: int
) -> tuple[Any, Callable[..., Any]]:
    """Return Adam's first state and a jitted update of a policy."""
    optimizer = optax.adam(1e-3)

    def loss(weights: Any, scenario: Scenario) -> jax.Array:
        returns = batch_returns(*problem, policy, weights, scenario, remat=True)
        return -returns.mean() / scenario.series.period.shape[0]

    value_and_grad = chunked_value_and_grad(loss, chunk)

    @jax.jit
    def update(weights: Any, state: Any, scenario: Scenario) -> Any:
        value, gradient = value_and_grad(weights, scenario)
        changes, state = optimizer.update(gradient, state)
        return optax.apply_updates(weights, changes), state, value

    return optimizer, update


def store_functions(
    batch: int,
) -> tuple[dict[str, Callable[[], Any]], Callable[[], Any], str]:
    """Return what is timed by name, the same for PyTorch, and why that is empty if it is."""
    simulator, params, sample = store()
    key_orders, key_demand, key_init = jax.random.split(jax.random.key(0), 3)
    scenario = sample(key_demand, PERIODS, batch)
    orders = 2 * MEAN * jax.random.uniform(key_orders, (PERIODS, 1, batch))
    given = replace(scenario, series=replace(scenario.series, forecast=orders))
    policy = DensePolicy(num_nodes=1, lead_time=LEAD, scale=MEAN)
    weights = policy.init(key_init)
    simulate = jax.jit(
        lambda scenario: batch_returns(simulator, params, AsForecast(), None, scenario).mean()
    )
    optimizer, update = trainer((simulator, params), policy, CHUNK)
    state = [weights, optimizer.init(weights)]

    def train() -> float:
        state[0], state[1], value = update(*state, scenario)
        return float(value)

    ours = {"simulation": lambda: float(simulate(given)), "training": train}
    try:
        import torch

        from benchmarks._torch_store import TorchStore
    except ImportError as error:
        return ours, lambda: {}, f"PyTorch cannot be imported ({error})"
    peer = TorchStore(LEAD, 1.0, UNMET, MEAN, weights)
    demand = torch.tensor(np.asarray(scenario.series.glance_views)[:, 0])
    requests = torch.tensor(np.asarray(orders).transpose(0, 2, 1).copy())
    pairs = [(-ours["simulation"]() / PERIODS, peer.simulate(demand, requests))]
    pairs += [(train(), peer.update(demand)) for _ in range(3)]
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


def fresh(problem: Problem, policy: Policy, weights: Any, batch: int, periods: int) -> float:
    """Return steps a second of trajectories whose randomness is drawn anew in every call."""
    simulator, params, sample = problem
    keys = iter(jax.random.split(jax.random.key(1), 100))

    @jax.jit
    def run(key: jax.Array, weights: Any) -> jax.Array:
        scenario = sample(key, periods, batch)
        return batch_returns(simulator, params, policy, weights, scenario).mean()

    (wall, _) = timed({"": lambda: run(next(keys), weights)}, REPEATS)[""]
    return batch * periods / wall


def simulated(simulator: Simulator, params: Params, scenario: Scenario) -> jax.Array:
    """Return the mean return of requests that stay the same."""
    return batch_returns(simulator, params, Fixed(units=MEAN), None, scenario).mean()


def tree_rows() -> list[Row]:
    """Return the serial line and the warehouse with stores, beside printed figures."""
    means = (3.4, 4.2, 5.0, 5.8, 6.6)
    demand = Normal(means=means, sds=tuple(0.3 * m for m in means), correlation=0.5)
    trees = {
        "serial": (serial_line(), DensePolicy(num_nodes=4, lead_time=4, scale=MEAN), 256),
        "stores": (
            transshipment(demand=demand),
            DensePolicy(num_nodes=6, lead_time=3, scale=MEAN, width=512),
            512,
        ),
    }
    names = {"serial": "four-stage serial line", "stores": "warehouse with 5 stores, 3 x 512"}
    rows = []
    for key, (problem, policy, chunk) in trees.items():
        batch, without, trained = PRINTED_TREES[key]
        simulator, params, sample = problem
        scenario = sample(jax.random.key(0), PERIODS, batch)
        run = jax.jit(partial(simulated, simulator, params))
        optimizer, update = trainer((simulator, params), policy, chunk)
        weights = policy.init(jax.random.key(0))
        held = (weights, optimizer.init(weights))
        functions: dict[str, Callable[[], Any]] = {
            "simulation": partial(run, scenario),
            "training": partial(update, *held, scenario),
        }
        for (name, (wall, _)), printed in zip(
            timed(functions, 5).items(), (without, trained), strict=True
        ):
            label = f"{names[key]}, {name}"
            rows.append(row(label, batch, batch * PERIODS / wall, PEER, printed, "printed"))
    return rows


def peer_rows(folder: Path | None) -> list[Row]:
    """Return the nearest equal problems of other environments, demand drawn anew every run."""
    customers = Poisson(rate=20.0)
    three = serial_line(
        lead_times=(10, 5, 3), holding_cost=(0.05, 0.1, 0.15), unmet_cost=0.1, demand=customers
    )
    four = serial_line(
        lead_times=(1, 4, 4), holding_cost=(0.01, 0.02, 0.03), unmet_cost=0.1, demand=customers
    )

    def holding(simulator: Simulator) -> Simulator:
        """They also owe each other what they could not ship."""
        return replace(simulator, dynamics=replace(simulator.dynamics, hold_requests=True))

    owing = {
        "or-gym": (holding(three[0]), *three[1:]),
        "gym-invmgmt": (holding(four[0]), *four[1:]),
        "stockpyl": serial_in_transit(),
    }
    rows = []
    for name, problem in owing.items():
        policy: Policy = Fixed(units=5.0 if name == "stockpyl" else 20.0)
        ours = fresh(problem, policy, None, 8192, 30)
        theirs, measured = PEERS[name].printed, "printed"
        if folder is not None:
            try:
                theirs = PEERS[name].rate(interpreter(folder, name))
                measured = "in this run"
            except (OSError, subprocess.CalledProcessError) as error:
                measured = f"printed ({type(error).__name__})"
        rows.append(row(f"three-stage line ({name}'s)", 8192, ours, name, theirs, measured))
    return rows


def kernel_rows() -> list[Row]:
    """Return rollouts of the learned kernel, in product-periods a second."""
    rows = []
    for preset, products in (("small", 16), ("paper", 4)):
        rollouts = Rollouts.of(PRESETS[preset], products, 26, seed=0)
        prepare, forward = (rollouts.compiled(kind) for kind in ("prepare", "forward"))
        gradient = rollouts.compiled("remat")
        exogenous = prepare(rollouts.params)
        called = (rollouts.params, exogenous, rollouts.arrivals)
        functions: dict[str, Callable[[], Any]] = {
            "forward": partial(forward, *called),
            "gradient": partial(gradient, *called),
            "location stream": partial(prepare, rollouts.params),
        }
        steps = products * rollouts.arrivals.shape[1]
        for name, (wall, _) in timed(functions, 5).items():
            rows.append(
                {
                    "learned kernel": f"{preset}, {name}",
                    "products": products,
                    "product-periods/s": steps / wall,
                    "nodes": NODES,
                    "regions": REGIONS,
                }
            )
    return rows


def claims_of(stores: list[Row], drawn: list[Row], peers: list[Row], kernels: list[Row]) -> Any:
    """Return the claims of the issue's bars."""
    needs = {
        ("simulation", 1024): 20.0,
        ("simulation", 8192): 10.0,
        ("training", 1024): 4.0,
        ("training", 8192): 1.8,
    }
    claims: list[Claim] = []
    for found in stores:
        kind = found["problem"].split()[-1]
        what = (
            f"{found['problem']}, batch {found['batch']}, over {found['peer']}, "
            f"{found['peer measured']}"
        )
        bound = needs[kind, found["batch"]]
        claims.append(
            at_least(1, what, found["times faster"], "x", bound)
            if found["peer"] == PEER
            else figure_only(1, what, found["times faster"], "x")
        )
    for found in drawn:
        what = f"{found['problem']}, batch {found['batch']}"
        claims.append(at_least(2, what, found["M steps/s"], "M steps/s", 60))
    for found in peers:
        what = f"{found['problem']}, over {found['peer']} {found['peer measured']}"
        claims.append(at_least(3, what, found["times faster"], "x", 500))
    for found in kernels:
        what = f"learned kernel, {found['learned kernel']}"
        claims.append(figure_only(5, what, found["product-periods/s"], "product-periods/s"))
    return claims


def main(peers: Path | None = None) -> None:
    """Measure, print the claims and write the result.

    Args:
        peers: Folder with the virtual environments of other packages, see ``_peers.py``.
    """
    began = time.perf_counter()
    stores, reason = store_rows()
    if reason:
        print(f"{reason}: printed figures stand in for it.")
    drawn = [
        row(
            "lost-sales store, base stock, demand drawn every run",
            batch,
            fresh(store(), BaseStock(), jnp.float32(28.0), batch, PERIODS),
            "DynaPlex",
            35e6,
            "printed",
        )
        for batch in BATCHES
    ]
    others = peer_rows(peers)
    speeds = [*stores, *drawn, *tree_rows(), *others]
    kernels = kernel_rows()
    print_table("Steps a second", speeds)
    print_table("Learned kernel", kernels)
    claims = claims_of(stores, drawn, others, kernels)
    print_claims(claims)

    def draw(axes: Any) -> None:
        names = [f"{r['problem']}, {r['batch']:,}" for r in speeds]
        at = np.arange(len(speeds))
        axes.barh(at - 0.2, [1e6 * r["M steps/s"] for r in speeds], 0.4, label="draingym")
        axes.barh(at + 0.2, [1e6 * r["peer's M steps/s"] for r in speeds], 0.4, label="peer")
        for i, r in enumerate(speeds):
            axes.text(1e6 * r["peer's M steps/s"], i + 0.2, f" {r['peer']}", va="center", size=7)
        axes.set_yticks(at, names, size=7)
        axes.invert_yaxis()
        axes.set_xscale("log")
        axes.set_xlabel("steps a second")
        axes.legend(frameon=False, loc="lower right")

    save_figure("throughput", draw, size=(9.0, 5.0))
    threads = "PyTorch on 1 thread or all, the faster"
    preset = f"{PERIODS} periods, chunks of {CHUNK}; {reason or threads}"
    seconds = time.perf_counter() - began
    write_result("throughput", "gym", claims, [*speeds, *kernels], [0, 1], preset, seconds)


if __name__ == "__main__":
    tyro.cli(main)
