"""What is measured on a card, one case after the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from benchmarks._common import REPEATS, timed
from benchmarks.drain_parts.rollout_speed import memory_rows
from benchmarks.drain_parts.rollouts import Kind, Places, Rollouts
from benchmarks.drain_parts.training_speed import DifferentLossesError, Training, training_row
from benchmarks.gpu_parts.cards import card, shares
from benchmarks.gpu_parts.costs import cost_of
from benchmarks.scale_parts.configs import CONFIGS
from benchmarks.throughput_parts.lines_and_trees import tree_functions
from benchmarks.throughput_parts.store import PERIODS, Drawn, own_functions
from draingym.drain_model import PRESETS, DrainConfig
from draingym.policies import (
    MLPPolicy,
    PathwiseGradient,
    TrainConfig,
    task_of,
    train_policy,
)
from draingym.simulator import make

Row = dict[str, Any]
LEARNED = "draingym/PlacementLearned-v0"
_KINDS: dict[str, Kind] = {"forward": "forward", "gradient": "remat"}
_DIFFERENT = 256  # products with numbers of their own; a larger batch repeats them
# How JAX, XLA and PyTorch say that a program does not fit.
_FULL = ("RESOURCE_EXHAUSTED", "out of memory", "Out of memory")


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """How much is run."""

    networks: tuple[tuple[str, DrainConfig], ...]  # of rollouts
    places: Places  # nodes and regions
    batches: tuple[int, ...]  # products of a rollout
    horizon: int  # periods of a rollout
    part: int  # products whose location stream is encoded at a time
    stores: tuple[int, ...]  # trajectories of the classic problems
    training: tuple[tuple[str, DrainConfig], ...]
    periods: int  # of a training batch
    pace: float  # units a node ships in a period of it
    updates: int  # of a call of training
    memory: int  # products of the memory's table
    horizons: tuple[int, ...]  # of the memory's table
    policy_updates: int  # a multiple of four
    policy_batch: int
    policy_periods: int
    repeats: int = REPEATS


FULL = Sizes(
    networks=(("small", PRESETS["small"]), ("paper", PRESETS["paper"])),
    places=(20, 99),
    batches=(64, 512, 2048, 8192),
    horizon=26,
    part=64,
    stores=(8192, 65_536),
    training=(("preset paper", PRESETS["paper"]), ("as it ships", CONFIGS["paper"])),
    periods=40,
    pace=0.3,  # as in the world of that size
    updates=10,
    memory=64,
    horizons=(26, 52),
    policy_updates=40,
    policy_batch=512,
    policy_periods=26,
)


def fits(work: Callable[[], Any]) -> tuple[Any, str]:
    """Return what a function returns, or None and how it was said that memory does not suffice.

    >>> fits(lambda: 3)
    (3, '')
    """
    try:
        return work(), ""
    except (RuntimeError, MemoryError) as error:
        lines = [line for line in str(error).splitlines() if any(x in line for x in _FULL)]
        if not lines:
            raise
        return None, lines[0].strip()[:200]


def measured(rollouts: Rollouts, program: Any, given: tuple[Any, ...], repeats: int) -> Row:
    """Return the speed of a compiled function of rollouts, and how much of the card it uses."""
    seconds = _seconds(partial(program, *given), repeats)
    cost = cost_of(program)
    products, periods = rollouts.arrivals.shape[:2]
    return {
        "product-periods/s": products * periods / seconds,
        "ms": 1e3 * seconds,
        "temporary memory, GB": program.memory_analysis().temp_size_in_bytes / 1e9,
        "GB moved": None if cost is None else cost.bytes / 1e9,
        "GFLOP": None if cost is None else cost.flops / 1e9,
        "loops counted once": None if cost is None else cost.unknown,
        **shares(cost, seconds, card()),
    }


def rollouts(name: str, config: DrainConfig, sizes: Sizes, products: int) -> list[Row]:
    """Return rollouts of the learned kernel, their gradient, and what is prepared for them.

    What is prepared, the location stream, is the same for all rollouts of a batch.
    """
    different = min(products, _DIFFERENT)
    drawn = Rollouts.of(config, different, sizes.horizon, 0, sizes.places)
    found = replace(drawn.repeated(products // different), part=math.gcd(sizes.part, products))
    row: Row = {"table": "rollouts", "network": name, "products": products}

    def prepared() -> tuple[Row, Any]:
        program = found.compiled("prepare")
        figures = measured(found, program, (found.params,), sizes.repeats)
        return figures, program(found.params)

    both, reason = fits(prepared)
    stream = row | {"what": "location stream"} | (both[0] if both else {}) | {"skipped": reason}
    if both is None:
        why = {"skipped": f"location stream: {reason}"}
        return [stream, *(row | {"what": what} | why for what in _KINDS)]
    rows = [stream]
    given = (found.params, both[1], found.arrivals)
    for what, kind in _KINDS.items():

        def run(kind: Kind = kind) -> Row:
            return measured(found, found.compiled(kind), given, sizes.repeats)

        figures, reason = fits(run)
        rows.append(row | {"what": what} | (figures or {}) | {"skipped": reason})
    return rows


def classic(sizes: Sizes) -> list[Row]:
    """Return the lost-sales store, and one warehouse with many stores."""
    rows = []
    for batch in sizes.stores:
        problems: dict[str, Callable[[], dict[str, Callable[[], Any]]]] = {
            "lost-sales store": partial(_store, batch),
            "warehouse with 5 stores, 3 x 512": partial(tree_functions, "stores", batch, batch),
        }
        for problem, functions in problems.items():
            row: Row = {"table": "classic", "network": problem, "trajectories": batch}
            found, reason = fits(functions)
            for what in ("simulation", "training"):
                seconds = None
                if found is not None:
                    seconds, reason = fits(partial(_seconds, found[what], sizes.repeats))
                rate = None if seconds is None else batch * PERIODS / seconds / 1e6
                rows.append(row | {"what": what, "M steps/s": rate, "skipped": reason})
    return rows


def _store(batch: int) -> dict[str, Callable[[], Any]]:
    return own_functions(Drawn.of(batch), batch)


def _seconds(function: Callable[[], Any], repeats: int) -> float:
    return timed({"": function}, repeats)[""][0]


def training(name: str, config: DrainConfig, sizes: Sizes) -> list[Row]:
    """Return training of the drain model, beside PyTorch."""
    made = partial(
        Training.of,
        *(name, config, config.batch_products, sizes.periods, sizes.places, sizes.updates),
        pace=sizes.pace,
    )
    row: Row = {"table": "training", "network": name, "products": config.batch_products}
    try:
        found, reason = fits(lambda: training_row(made(), "cuda"))
    except DifferentLossesError as error:
        found, reason = None, str(error)
    return [row | (dict(found) if found is not None else {"skipped": reason})]


def memory(name: str, config: DrainConfig, sizes: Sizes, horizon: int) -> list[Row]:
    """Return the memory of the gradient, with and without remat."""
    return [
        {"table": "memory", **row}
        for row in memory_rows(name, config, sizes.memory, (horizon,), sizes.places, windows=False)
    ]


def policy(sizes: Sizes) -> list[Row]:
    """Return one short training of a policy through the learned kernel."""
    nodes, regions = sizes.places
    env = make(LEARNED, horizon=sizes.policy_periods, num_nodes=nodes, num_regions=regions)
    task = task_of(env, evaluation_batch=sizes.policy_batch)
    every = sizes.policy_updates // 4
    config = TrainConfig(
        updates=sizes.policy_updates, batch_products=sizes.policy_batch, evaluate_every=every
    )
    learner = PathwiseGradient(policy=MLPPolicy.for_task(task))
    found, reason = fits(lambda: train_policy(learner, task, config))
    row: Row = {"table": "policy", "network": "learned kernel, MLP policy"}
    row |= {"products": sizes.policy_batch, "updates": sizes.policy_updates, "skipped": reason}
    if found is None:
        return [row]
    # The last rounds, which compile nothing; evaluations are part of them.
    seconds = float(found.seconds[-1] - found.seconds[1]) / (3 * every)
    return [
        row
        | {
            "ms an update": 1e3 * seconds,
            "product-periods/s": sizes.policy_batch * sizes.policy_periods / seconds,
            "value at the start": float(found.curve[0]),
            "value": found.value,
        }
    ]


def cases(sizes: Sizes) -> dict[str, Callable[[], list[Row]]]:
    """Return every case by name; training comes first, before JAX's pool of memory has grown."""

    def each() -> Iterable[tuple[str, Callable[[], list[Row]]]]:
        for name, config in sizes.training:
            yield f"training {name}", partial(training, name, config, sizes)
        for products in sizes.batches:
            for name, config in sizes.networks:
                case = partial(rollouts, name, config, sizes, products)
                yield f"rollouts {name} {products}", case
        yield "classic", partial(classic, sizes)
        yield "policy", partial(policy, sizes)
        for horizon in sizes.horizons:
            for name, config in sizes.networks:
                yield f"memory {name} {horizon}", partial(memory, name, config, sizes, horizon)

    return dict(each())
