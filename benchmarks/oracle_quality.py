"""How good is the oracle itself, where policies put stock that history never put there?

A historical policy leaves a log of the emulated world, whose truth is hidden. The oracle draws
latents from that log, given history (conditional) or anew (independent), and replays policies far
from history. The truth replays them with the customers' real latents. Bias and variance of a
policy's value, and of differences of two policies on the same draws, under both conversions; and
the factor by which conditional conversion cuts the variance of a difference (bar 2).

    python -m benchmarks.oracle_quality [--preset small|full]
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from jaxtyping import Array
from numpy.typing import NDArray

from benchmarks._common import (
    Claim,
    at_least,
    figure_only,
    print_claims,
    print_table,
    save_figure,
    write_result,
)
from draingym.demo.config import LoopConfig
from draingym.demo.history import historical_policy, run_history, true_systems
from draingym.oracle import Systems, estimate_rates, run, sample_latent, to_event_log
from draingym.oracle.replays.environment import OracleRun
from draingym.simulator import (
    HISTORY_LENGTH,
    Dynamics,
    History,
    Initial,
    Params,
    Scenario,
    make_series,
    params_from_network,
)
from draingym.simulator.scenarios.series import smooth_views
from draingym.simulator.types import Observation, Policy, PyTree
from draingym.world.lines import OrderLines
from draingym.world.orders import World, WorldConfig, build_world
from draingym.world.synthetic import SyntheticConfig, synthetic_order_lines
from draingym.world.ta_feng import DataUnavailableError, load_order_lines
from draingym.world.views import Views, attribute_matrix

FloatArray = NDArray[np.float64]
NAME = "oracle_quality"
CONVERSIONS = ("conditional", "independent")
MEASURES = ("value", "units", "cost", "units a box")


@dataclass(frozen=True)
class Place:
    """Keep every node at its share of a cover of expected demand; the vendor refills the rest.

    Parameters: ``share`` [N] of what lies near customers, 0 for the upstream node; ``near`` and
    ``total``, periods of expected demand near customers and in all.
    """

    upstream: tuple[bool, ...]

    def init(self, key: Array) -> dict[str, Array]:
        """Return an even placement of two periods near customers, four in all."""
        del key
        near = jnp.asarray([0.0 if up else 1.0 for up in self.upstream])
        return {"share": near / near.sum(), "near": jnp.float32(2.0), "total": jnp.float32(4.0)}

    def apply(self, params: dict[str, Array], observation: Observation, key: Array) -> Array:
        """Return what is missing to the levels."""
        del key
        expected = observation.forecast.sum()
        position = observation.on_hand + observation.pipeline.sum(axis=0)
        wanted = params["near"] * expected * params["share"] - position
        bought = params["total"] * expected - position.sum()
        up = jnp.asarray(self.upstream)
        asked = jnp.where(up, bought / up.sum(), wanted)
        return jnp.maximum(jnp.round(asked), 0.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """A world, its history and what is replayed in it."""

    world: World
    systems: Systems  # at the true rates
    params: Params
    scenario: Scenario
    log: Any
    policies: dict[str, tuple[Policy, PyTree]]


def order_lines(preset: str) -> tuple[str, OrderLines]:
    """Return real orders, or synthetic ones where those are out of reach or not wanted."""
    if preset == "full":
        try:
            return "ta-feng", load_order_lines()
        except DataUnavailableError as error:
            print(f"Real orders cannot be had ({error}): going on with synthetic ones.")
    config = SyntheticConfig(num_products=20, num_customers=1500, num_days=60, lines_per_day=300.0)
    return "synthetic", synthetic_order_lines(config, seed=0)


def make_setting(lines: OrderLines, preset: str, seed: int) -> Setting:
    """Build a world, run history in it, and name the policies."""
    size = WorldConfig(period_days=2, seed=seed)
    if preset == "small":
        size = replace(size, num_products=12, num_nodes=4, num_regions=12)
    config = LoopConfig(seed=seed, world=size)
    world = build_world(lines, config.world)
    history = run_history(world, config)
    return Setting(
        world=world,
        systems=true_systems(world, config),
        params=params_from_network(world.network, config.economics, None),
        scenario=replace_start(make_scenario(world, config), history),
        log=to_event_log(world, history),
        policies=make_policies(world, config),
    )


def make_scenario(world: World, config: LoopConfig) -> Scenario:
    """Return history's exogenous series over all periods, its lead times included."""
    views = world.glance_views()
    days = world.num_periods * world.period_days
    units_per_view = world.mean_daily_demand * days / np.maximum(views.sum(axis=(1, 2)), 1)
    key_series, _ = jax.random.split(jax.random.key(config.seed))
    series = make_series(
        glance_views=views,
        forecast=smooth_views(views, 7.0 / world.period_days) * units_per_view[:, None, None],
        price=world.products.price,
        unit_cost=world.products.unit_cost,
        attributes=attribute_matrix(world.products),
        calendar=world.calendar,
        lead_time=world.network.lead_time,
        num_uniforms=0,
        key=key_series,
    )
    nodes, leads = world.network.lead_time.shape
    products = world.products.num_products
    nothing = jnp.zeros((products, HISTORY_LENGTH, nodes))
    initial = Initial(
        on_hand=jnp.zeros((products, nodes)),
        pipeline=jnp.zeros((products, leads - 1, nodes)),
        history=History(outbound=nothing, ship_cost=nothing, available=nothing),
    )
    return Scenario(initial=initial, series=series)


def replace_start(scenario: Scenario, history: OracleRun) -> Scenario:
    """Return the scenario with the stock that history began with."""
    initial = replace(
        scenario.initial,
        on_hand=jnp.asarray(history.initial_on_hand, jnp.float32),
        pipeline=jnp.asarray(history.initial_pipeline, jnp.float32),
    )
    return replace(scenario, initial=initial)


def make_policies(world: World, config: LoopConfig) -> dict[str, tuple[Policy, PyTree]]:
    """Return history's policy, and five that put stock where it never did."""
    serves = np.asarray(world.network.serves_customers)
    place = Place(upstream=tuple(bool(x) for x in ~serves))
    even = serves / serves.sum()
    alone = np.eye(len(serves))[int(np.flatnonzero(serves)[0])]
    distance = np.where(serves[:, None], world.network.distance_km, np.inf)
    people = np.bincount(
        distance.argmin(axis=0), weights=world.network.population, minlength=len(serves)
    )
    days = world.period_days

    def at(share: FloatArray, near: float, total: float) -> tuple[Policy, PyTree]:
        params = {
            "share": jnp.asarray(share, jnp.float32),
            "near": jnp.float32(near / days),
            "total": jnp.float32(total / days),
        }
        return place, params

    past = historical_policy(world, config)
    return {
        "history": (past.policy, past.params),
        "even": at(even, 7.0, 14.0),
        "concentrated": at(alone, 7.0, 14.0),
        "starved": at(even, 1.5, 5.0),
        "flooded": at(even, 40.0, 50.0),
        "demand": at(people / people.sum(), 7.0, 14.0),
    }


def measure(
    setting: Setting, name: str, views: Views, systems: Systems, seed: int, skip: int
) -> FloatArray:
    """Return [4] a policy's ``MEASURES`` over all products; all but the last are per period.

    Periods before ``skip`` are left out: they sell the stock that all policies began with.
    """
    policy, parameters = setting.policies[name]
    # The random choices of history's policy are those it made in history.
    _, key_policy = jax.random.split(jax.random.key(setting.world.config.seed))
    ran = run(
        systems,
        views,
        setting.params,
        policy,
        parameters,
        setting.scenario,
        dynamics=Dynamics(),
        key=key_policy,
        seed=seed,
        record=True,
    )
    moves, kept = ran.trajectory.transitions, ran.outcomes[skip:]
    value, units, cost = (
        float(np.asarray(x, np.float64)[:, skip:].sum()) / len(kept)
        for x in (moves.reward, moves.outbound, moves.ship_cost)
    )
    boxes = sum(len(outcome.box_cost) for outcome in kept) / len(kept)
    return np.array([value, units, cost, units / max(boxes, 1.0)])


def replay(
    setting: Setting, seeds: Sequence[int], skip: int
) -> tuple[FloatArray, dict[str, FloatArray]]:
    """Return [policy, 4] the truth, and [seed, policy, 4] what the oracle says by conversion."""
    world, names = setting.world, list(setting.policies)
    rates = estimate_rates(setting.log)
    systems = setting.systems.with_rates(rates)
    real = world.views.candidates(world.rates)
    truth = np.stack(
        [measure(setting, n, real, setting.systems, world.config.seed, skip) for n in names]
    )

    def one(task: tuple[str, int]) -> FloatArray:
        kind, seed = task
        views = sample_latent(
            setting.log, rates, world.places, seed=seed, conditional=kind == "conditional"
        )
        noise = 1000 + seed
        return np.stack([measure(setting, n, views, systems, noise, skip) for n in names])

    tasks = [(kind, seed) for kind in CONVERSIONS for seed in seeds]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(one, tasks))
    size = len(seeds)
    return truth, {
        kind: np.stack(found[k * size : (k + 1) * size]) for k, kind in enumerate(CONVERSIONS)
    }


def variance_factor(
    conditional: FloatArray, independent: FloatArray, resamples: int = 4000
) -> tuple[float, float, float]:
    """Return the factor by which conditional conversion cuts the variance, and its interval.

    The factor is the geometric mean over worlds and pairs of policies of var(independent) /
    var(conditional). The 95% interval resamples seeds, within each world, the same for all pairs.

    Args:
        conditional: [W, S, D] differences by world, seed and pair.
        independent: [W, S, D] the same.
        resamples: Of the bootstrap.

    Returns:
        The factor, and the ends of its interval.

    >>> x = np.random.default_rng(0).normal(size=(1, 50, 1))
    >>> round(variance_factor(x, 3.0 * x, 100)[0], 6)
    9.0
    """

    def factor(first: FloatArray, second: FloatArray) -> float:
        ratio = np.log(second.var(axis=1, ddof=1)) - np.log(first.var(axis=1, ddof=1))
        return float(np.exp(ratio.mean()))

    rng = np.random.default_rng(0)
    worlds, seeds, _ = conditional.shape

    def drawn() -> float:
        while True:
            rows = [rng.integers(seeds, size=(worlds, seeds, 1)) for _ in range(2)]
            first, second = (
                np.take_along_axis(x, r, axis=1)
                for x, r in zip((conditional, independent), rows, strict=True)
            )
            # A resample of one seed alone has no variance.
            if all((x.std(axis=1) > 0).all() for x in (first, second)):
                return factor(first, second)

    low, high = np.quantile([drawn() for _ in range(resamples)], [0.025, 0.975])
    return factor(conditional, independent), float(low), float(high)


def summary(truth: FloatArray, found: FloatArray) -> dict[str, float]:
    """Return truth, bias, spread and error of an estimate.

    Args:
        truth: [W] by world.
        found: [W, S] by world and seed.
    """
    error = found - truth[:, None]
    bias = error.mean(axis=1)
    worlds = len(bias)
    return {
        "truth": float(truth.mean()),
        "bias": float(bias.mean()),
        "bias_se": float(bias.std(ddof=1) / np.sqrt(worlds)) if worlds > 1 else float("nan"),
        "sd": float(np.sqrt(found.var(axis=1, ddof=1).mean())),
        "rmse": float(np.sqrt((error**2).mean())),
    }


def main(
    preset: Literal["small", "full"] = "full", worlds: int = 4, seeds: int = 32
) -> list[Claim]:
    """Replay policies far from history, print the tables, write JSON and figure.

    Args:
        preset: Real orders at the demo's size, or small synthetic ones.
        worlds: Worlds whose hidden truth the oracle is held against.
        seeds: Draws of the latents in each.
    """
    began = time.perf_counter()
    source, lines = order_lines(preset)
    truths: list[FloatArray] = []
    found: dict[str, list[FloatArray]] = {kind: [] for kind in CONVERSIONS}
    names: list[str] = []
    for number in range(worlds):
        setting = make_setting(lines, preset, number)
        names = list(setting.policies)
        skip = setting.world.num_periods // 3
        truth, values = replay(setting, range(seeds), skip)
        truths.append(truth)
        for kind in CONVERSIONS:
            found[kind].append(values[kind])
        print(f"world {number + 1} of {worlds}: {time.perf_counter() - began:.0f} s", flush=True)
    real = np.stack(truths)  # [W, policy, 4]
    drawn = {kind: np.stack(found[kind]) for kind in CONVERSIONS}  # [W, S, policy, 4]
    rows: list[dict[str, Any]] = []
    for i, name in enumerate(names):
        for kind in CONVERSIONS:
            for m, quantity in enumerate(MEASURES):
                what = {"kind": "policy", "policy": name, "against": "", "measure": quantity}
                rows.append(
                    {**what, "conversion": kind, **summary(real[:, i, m], drawn[kind][..., i, m])}
                )
    pairs = list(itertools.combinations(range(len(names)), 2))
    differences = {
        kind: np.stack([drawn[kind][..., a, 0] - drawn[kind][..., b, 0] for a, b in pairs], axis=-1)
        for kind in CONVERSIONS
    }
    for d, (a, b) in enumerate(pairs):
        for kind in CONVERSIONS:
            what = {"kind": "difference", "policy": names[a], "against": names[b]}
            real_difference = real[:, a, 0] - real[:, b, 0]
            rows.append(
                {
                    **what,
                    "measure": "value",
                    "conversion": kind,
                    **summary(real_difference, differences[kind][..., d]),
                }
            )
    factor, low, high = variance_factor(differences["conditional"], differences["independent"])
    # Pairs with history's own policy, which conditional conversion replays exactly, set aside.
    far = [d for d, pair in enumerate(pairs) if names.index("history") not in pair]
    far_factor, far_low, far_high = variance_factor(
        differences["conditional"][..., far], differences["independent"][..., far]
    )

    def error(kind: str) -> float:
        chosen = [r for r in rows if r["kind"] == "difference" and r["conversion"] == kind]
        return float(np.exp(np.mean([np.log(r["rmse"] ** 2) for r in chosen])))

    def bias(kind: str) -> float:
        chosen = [
            r
            for r in rows
            if r["kind"] == "policy" and r["measure"] == "value" and r["conversion"] == kind
        ]
        return float(100.0 * np.mean([abs(r["bias"] / r["truth"]) for r in chosen]))

    claims = [
        figure_only(
            2, "variance of a paired difference, independent over conditional", factor, "x"
        ),
        at_least(2, "the same, lower end of its 95% interval", low, "x", 1.0),
        figure_only(2, "the same, upper end of its 95% interval", high, "x"),
        figure_only(2, "the factor between the policies far from history alone", far_factor, "x"),
        at_least(2, "the same, lower end of its 95% interval", far_low, "x", 1.0),
        figure_only(2, "the same, upper end of its 95% interval", far_high, "x"),
        figure_only(
            2,
            "mean squared error of a paired difference, independent over conditional",
            error("independent") / error("conditional"),
            "x",
        ),
        *(
            figure_only(2, f"mean absolute bias of a policy's value, {kind}", bias(kind), "%")
            for kind in CONVERSIONS
        ),
    ]
    for kind in ("policy", "difference"):
        shown = [r for r in rows if r["kind"] == kind and r["measure"] == "value"]
        print_table(f"Value of a {kind}, USD a period", shown)
    print_claims(claims)
    size = f"{preset}: {source}, {worlds} worlds, {len(names)} policies, {seeds} seeds"
    write_result(NAME, "oracle", claims, rows, range(seeds), size, time.perf_counter() - began)
    save_figure(NAME, lambda axes: draw(axes, names, real, drawn, differences), panels=2)
    return claims


def draw(
    axes: Any,
    names: list[str],
    real: FloatArray,
    drawn: dict[str, FloatArray],
    differences: dict[str, FloatArray],
) -> None:
    """Draw the errors of every policy's value, and the spread of every difference."""
    left, right = axes
    colours = {"conditional": "#1b6ca8", "independent": "#d1603d"}
    for kind, shift in zip(CONVERSIONS, (-0.15, 0.15), strict=True):
        for i in range(len(names)):
            error = 100.0 * (drawn[kind][..., i, 0] / real[:, None, i, 0] - 1.0).ravel()
            where = i + shift + np.linspace(-0.08, 0.08, error.size)
            left.plot(where, error, ".", color=colours[kind], ms=3, label=kind if i == 0 else None)
    left.axhline(0.0, color="black", lw=0.8)
    left.set_xticks(range(len(names)), names, rotation=30, ha="right")
    left.set_ylabel("error of a policy's value, %")
    left.legend(frameon=False)
    spread = {k: np.sqrt(x.var(axis=1, ddof=1).mean(axis=0)) for k, x in differences.items()}
    right.plot(spread["independent"], spread["conditional"], "o", color="#333333", ms=4)
    top = 1.05 * max(x.max() for x in spread.values())
    right.plot([0, top], [0, top], color="black", lw=0.8)
    right.set_xlim(0, top)
    right.set_ylim(0, top)
    right.set_xlabel("sd of a paired difference, independent, USD a period")
    right.set_ylabel("the same, conditional")


if __name__ == "__main__":
    tyro.cli(main)
