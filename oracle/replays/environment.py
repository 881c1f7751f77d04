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

from draingym.common.carry import strong
from draingym.oracle.estimates.rates import PeriodRates
from draingym.oracle.fulfilment.period import PeriodOutcome, drain_period
from draingym.oracle.systems import Systems
from draingym.simulator.checks import check_requests, check_stock
from draingym.simulator.dynamics import Acted, act, observe
from draingym.simulator.requests import requests_of
from draingym.simulator.settlement import settle
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
from draingym.world.lanes import lane_slots
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

    def lanes(self) -> dict[str, NDArray[np.int64]]:
        """Return ``node``, ``region`` and ``units`` of the lanes that shipped, [P, T, S] each.

        Raises:
            ValueError: If the run was not recorded.
        """
        horizon = self.lead_share.shape[1]
        if len(self.outcomes) != horizon:
            raise ValueError(f"run holds {len(self.outcomes)} outcomes, must hold {horizon}")
        view = np.concatenate([outcome.shipment_view for outcome in self.outcomes])
        counts = [outcome.shipment_view.size for outcome in self.outcomes]
        return lane_slots(
            product=self.views.product[view],
            period=np.repeat(np.arange(horizon), counts),
            node=np.concatenate([outcome.shipment_node for outcome in self.outcomes]),
            region=self.views.region[view],
            units=np.concatenate([outcome.shipment_units for outcome in self.outcomes]),
            shape=(self.initial_on_hand.shape[0], horizon),
        )


@jax.jit
def _look(
    params: Params, state: State, now: Series, keys: Array, t: Array
) -> tuple[Observation, Array]:
    """Observe all products; return the period's keys, too."""
    seen: Observation = jax.vmap(partial(observe, params))(state, now)
    return seen, keys[:, t]


@partial(jax.jit, static_argnames="dynamics")
def _stow(dynamics: Dynamics, params: Params, state: State, action: Array, now: Series) -> Acted:
    """Ship what is requested and stow what arrives, for all products."""

    def one(state: State, action: Array, now: Series) -> Acted:
        return act(params, state, action, now, dynamics)

    acted: Acted = jax.vmap(one)(state, action, now)
    return acted


@partial(jax.jit, static_argnames="dynamics")
def _settle(
    dynamics: Dynamics,
    params: Params,
    observation: Observation,
    action: Array,
    acted: Acted,
    drain: Drain,
    now: Series,
) -> tuple[State, Transition]:
    """Take the drain out and charge the period, for all products."""
    memory = jnp.zeros((action.shape[0], 0))
    settled: tuple[State, Transition] = jax.vmap(partial(settle, params, dynamics=dynamics))(
        observation, action, acted, drain, memory, now
    )
    return settled


@partial(jax.jit, static_argnums=(1, 2))
def _keys(key: Array, products: int, periods: int) -> Array:
    """Return [P, T] keys."""
    keys: Array = jax.vmap(partial(jax.random.split, num=periods))(jax.random.split(key, products))
    return keys


def _real(values: NDArray[Any]) -> Any:
    """Return numbers as the simulator's arrays hold them, still on the host."""
    return values.astype(np.float32)


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
    if params.target is not None:
        raise ValueError("params.target is given, must be None: the emulated systems serve a tree")
    initial = scenario.initial
    if initial.history.waiting is not None:
        msg = "initial.history.waiting is given, must be None: the emulated systems have no backlog"
        raise ValueError(msg)
    # On the host, and without what only a kernel reads: the programs of a period fit any number of
    # periods and any kernel.
    series = jax.tree.map(np.asarray, replace(scenario.series, exogenous=None))
    series = replace(series, drain_uniform=series.drain_uniform[..., :0])
    params = replace(params, kernel=None)
    policy_params = strong(policy_params)
    periods = series.period
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
    keys = _keys(jax.random.key(0) if key is None else key, shape[0], horizon)
    check_stock(initial.on_hand, initial.pipeline)
    none: Any = np.zeros(shape, np.float32)
    state = State(
        on_hand=initial.on_hand,
        pipeline=initial.pipeline,
        waiting=none,
        memory=np.zeros((shape[0], 0), np.float32),
        owed=none if dynamics.hold_requests else None,
    )
    state = jax.device_put(strong(state))
    transitions: list[Transition] = []
    outcomes: list[PeriodOutcome] = []
    for step in range(horizon):
        now: Series = jax.tree.map(lambda leaf, t=step: leaf[:, t], series)
        observation, keys_now = _look(params, state, now, keys, np.int32(step))
        action = requests_of(policy, policy_params, observation, keys_now)
        check_requests(np.asarray(action)[:, None, :], start=start + step)
        acted = _stow(dynamics, params, state, action, now)
        available = whole("available", acted.available)
        if serve is not None:
            outcome = serve(start + step, available)
        else:
            serving = systems if rates is None else systems.with_rates(rates.at(start + step))
            outcome = drain_period(serving, views, start + step, available, seed=seed)
        drain = Drain(
            outbound=_real(outcome.outbound),
            ship_cost=_real(outcome.ship_cost),
            lost=_real(outcome.lost),
            waiting=none,
        )
        state, transition = _settle(dynamics, params, observation, action, acted, drain, now)
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
