"""The oracle as an environment: the simulator's dynamics with emulated systems for customers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from numpy.typing import NDArray

from draingym.oracle.estimates.rates import PeriodRates
from draingym.oracle.fulfilment.period import PeriodOutcome, drain_period
from draingym.oracle.systems import Systems
from draingym.simulator.checks import check_requests, check_stock
from draingym.simulator.dynamics import Acted, act, observe, settle
from draingym.simulator.types import (
    Drain,
    Dynamics,
    Observation,
    Params,
    Policy,
    PyTree,
    Scenario,
    Series,
    State,
    Trajectory,
    Transition,
)
from draingym.world.views import Views

Serve = Callable[[int, NDArray[np.int64]], PeriodOutcome]


@dataclass(frozen=True, kw_only=True, slots=True)
class OracleRun:
    """What a policy did in the oracle.

    ``P`` products, ``T`` periods, ``N`` nodes.
    """

    trajectory: Trajectory  # leaves [P, T, ...]; final state [P, ...]
    initial_on_hand: NDArray[np.int64]  # [P, N] units before the first period
    initial_pipeline: NDArray[np.int64]  # [P, L, N] units in transit before the first period
    lead_share: NDArray[np.float32]  # [P, T, N, L+1] share of an order that arrives k periods on
    outcomes: tuple[PeriodOutcome, ...]  # one for each period; empty unless recorded
    start: int  # calendar index of the first period
    views: Views  # all views, those of other periods too


def _at(series: Series, t: Array) -> Series:
    sliced: Series = jax.tree.map(lambda leaf: leaf[:, t], series)
    return sliced


@partial(jax.jit, static_argnames=("policy", "dynamics"))
def _before(
    policy: Policy,
    dynamics: Dynamics,
    params: Params,
    policy_params: PyTree,
    state: State,
    series: Series,
    t: Array,
    keys: Array,
) -> tuple[Observation, Array, Acted]:
    """Observe, act and stow what arrives, for all products."""

    def one(state: State, now: Series, key: Array) -> tuple[Observation, Array, Acted]:
        observation = observe(params, state, now)
        action = policy.apply(policy_params, observation, key)
        return observation, action, act(params, state, action, now, dynamics)

    result: tuple[Observation, Array, Acted] = jax.vmap(one)(state, _at(series, t), keys)
    return result


@jax.jit
def _after(
    params: Params,
    observation: Observation,
    action: Array,
    acted: Acted,
    drain: Drain,
    series: Series,
    t: Array,
) -> tuple[State, Transition]:
    """Take the drain out and charge the period, for all products."""
    memory = jnp.zeros((action.shape[0], 0))
    settled: tuple[State, Transition] = jax.vmap(partial(settle, params))(
        observation, action, acted, drain, memory, _at(series, t)
    )
    return settled


def run(
    systems: Systems,
    views: Views,
    params: Params,
    policy: Policy,
    policy_params: PyTree,
    scenario: Scenario,
    *,
    dynamics: Dynamics,
    key: Array | None = None,
    seed: int = 0,
    rates: PeriodRates | None = None,
    serve: Serve | None = None,
    record: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> OracleRun:
    """Run a policy through periods in which the emulated systems serve every view.

    Order of events in a period, as in the simulator: observe → act → arrivals → promise,
    conversion and fulfilment of all products' views in time order → costs and reward. Only the
    drain differs from ``Simulator.rollout``; the draws of lead times and roundings are the
    scenario's, the draws of customers are in ``views``, those of costs follow from ``seed``.

    Args:
        systems: The emulated systems.
        views: Views with a latent, by absolute period: the hidden truth's, or drawn given a log
            (``sample_latent``). Views that can never convert may be left out.
        params: Costs, limits and structure, shared by all products; its kernel is not used.
        policy: What acts; hashable.
        policy_params: Its parameters.
        scenario: Leaves with a leading product axis [P, ...] and [P, T, ...].
        dynamics: How shipments between nodes work: the simulator's, where a policy is judged that
            was trained in one.
        key: For policies that draw at random; fixed when not given.
        seed: Seed of the cost noise.
        rates: Rates that change over time, by absolute period, in place of the systems' own.
        serve: Runs a period's views in place of the emulated systems: takes its absolute index
            and [P, N] whole units available, returns the outcome.
        record: Keep the outcome of every period, for an event log.
        progress: Called with (periods done, periods) after every period.

    Returns:
        The trajectory, and outcomes if recorded. Units that a customer wanted under the best
        promise and that met no stock are ``lost`` at the node nearest to the customer.

    Raises:
        ValueError: If the dynamics are those of real units, customers wait at the start (the
            emulated systems have no backlog), or a product starts with more than ``MOST_UNITS``; if
            the scenario's periods are not among the views', or its products or nodes are not those
            of the systems; or if the policy requests a number of units that is not finite, or
            negative (naming node, period and value).
    """
    if not dynamics.whole_units:
        msg = "dynamics.whole_units is False, must be True: the emulated systems ship whole units"
        raise ValueError(msg)
    series = replace(scenario.series, exogenous=None)
    initial = scenario.initial
    if initial.history.waiting is not None:
        msg = "initial.history.waiting is given, must be None: the emulated systems have no backlog"
        raise ValueError(msg)
    periods = np.asarray(series.period)
    shape = (systems.num_products, systems.num_nodes)
    if initial.on_hand.shape != shape:
        msg = f"scenario.initial.on_hand has shape {initial.on_hand.shape}, must be {shape}"
        raise ValueError(msg)
    if (periods != periods[:1]).any() or (np.diff(periods[0]) != 1).any():
        msg = "scenario.series.period must be consecutive and the same for all products"
        raise ValueError(msg)
    start, horizon = int(periods[0, 0]), periods.shape[1]
    if start < 0 or start + horizon > views.num_periods:
        msg = (
            f"scenario.series.period covers [{start}, {start + horizon}), must be within the "
            f"views' [0, {views.num_periods})"
        )
        raise ValueError(msg)
    keys = jax.vmap(lambda k: jax.random.split(k, horizon))(
        jax.random.split(jax.random.key(0) if key is None else key, shape[0])
    )
    check_stock(initial.on_hand, initial.pipeline)
    state = State(
        on_hand=jnp.asarray(initial.on_hand),
        pipeline=jnp.asarray(initial.pipeline),
        waiting=jnp.zeros(shape),
        memory=jnp.zeros((shape[0], 0)),
        owed=jnp.zeros(shape) if dynamics.hold_requests else None,
    )
    transitions: list[Transition] = []
    outcomes: list[PeriodOutcome] = []
    for step in range(horizon):
        t = jnp.asarray(step, jnp.int32)
        observation, action, acted = _before(
            policy, dynamics, params, policy_params, state, series, t, keys[:, step]
        )
        check_requests(np.asarray(action)[:, None, :], start=start + step)
        available = whole("available", acted.available)
        if serve is not None:
            outcome = serve(start + step, available)
        else:
            serving = systems if rates is None else systems.with_rates(rates.at(start + step))
            outcome = drain_period(serving, views, start + step, available, seed=seed)
        drain = Drain(
            outbound=jnp.asarray(outcome.outbound, jnp.float32),
            ship_cost=jnp.asarray(outcome.ship_cost, jnp.float32),
            lost=jnp.asarray(outcome.lost, jnp.float32),
            waiting=jnp.zeros(shape),
        )
        state, transition = _after(params, observation, action, acted, drain, series, t)
        transitions.append(transition)
        if record:
            outcomes.append(outcome)
        if progress is not None:
            progress(step + 1, horizon)
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves, axis=1), *transitions)
    return OracleRun(
        trajectory=Trajectory(transitions=stacked, final=state),
        initial_on_hand=whole("initial.on_hand", initial.on_hand),
        initial_pipeline=whole("initial.pipeline", initial.pipeline),
        lead_share=np.asarray(series.lead_share),
        outcomes=tuple(outcomes),
        start=start,
        views=views,
    )


def whole(name: str, units: Any) -> NDArray[np.int64]:
    """Return units as integers.

    Raises:
        ValueError: If an entry is negative or not whole.
    """
    values = np.asarray(units)
    rounded = np.rint(values)
    bad = (values != rounded) | (values < 0)
    if bad.any():
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        msg = f"{name}{list(first)} is {values[first]}, must be whole and at least 0"
        raise ValueError(msg)
    return np.asarray(rounded, np.int64)
