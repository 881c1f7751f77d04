"""Whole units without bias: what a unit more or less of a shipment is worth, both played out.

Rounding is random, so the mean return is smooth in what was rounded, and its derivative is the
difference between rounding up and rounding down, all that follows included. Straight through, that
difference is taken to be the slope on one side of a kink, or half of each. Here both ways are
followed to the end, for a shipment drawn at random: no bias, and more variance.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from draingym.simulator.core import Simulator
from draingym.simulator.draws import straight_through
from draingym.simulator.dynamics import act, observe
from draingym.simulator.types import Params, Policy, PyTree, Scenario, Series, State

# How far a uniform is set from the threshold at which a shipment has one unit more, to either side.
_ASIDE = 2e-4


def rounded_return(
    simulator: Simulator,
    params: Params,
    policy: Policy,
    policy_params: PyTree,
    scenario: Scenario,
    key: Array,
    *,
    draws: int = 1,
) -> Float[Array, ""]:
    """Return a discounted return whose derivative follows a rounding both up and down.

    With ``S_n`` the amounts cumulated over a source's arcs, as they are rounded
    (``draws.round_shipments``), ``dJ = E[d reward + sum_{t,n} dS_n * (J with a unit more up to
    arc n - J with a unit less)]``: at the uniform at which one becomes the other. What was rounded
    has no derivative in S and in rewards: what follows from it is in the difference. Of the sum
    one term is drawn.

    Args:
        simulator: Dynamics and drain kernel, of whole units.
        params: Their parameters.
        policy: What acts.
        policy_params: Its parameters.
        scenario: One; batches come from ``jax.vmap``.
        key: Of the shipments that are followed.
        draws: How many are, each in two more rollouts: the variance falls in proportion.

    Returns:
        Currency: the value of ``discounted_return``.

    Raises:
        ValueError: If units are real, goods pass several nodes in a period, or ``draws`` is below
            1.

    Gradients:
        Unbiased for the mean, in reverse mode, with respect to anything that shipments or rewards
        depend on smoothly: whatever the kernel, and whatever kinks follow.
        What else is rounded (batches, the room of stores) does not change with parameters here.
        Its standard deviation is that of a difference of two rollouts, times the shipments of one.

    Source:
        Arya et al. (2022), "Automatic differentiation of programs with discrete randomness": a
        stochastic derivative whose alternatives are drawn.
    """
    if draws < 1:
        raise ValueError(f"draws is {draws}, must be at least 1")
    if not simulator.dynamics.whole_units:
        raise ValueError("dynamics.whole_units is False, must be True: real units are not rounded")
    if simulator.dynamics.passes > 1:
        raise ValueError(
            f"dynamics.passes is {simulator.dynamics.passes}, must be 1: a shipment must be "
            "rounded once"
        )
    if scenario.series.exogenous is None:
        scenario = simulator.prepare(params, scenario)
    series = scenario.series
    periods, arcs = series.period.shape[0], params.source.shape[0]
    weight = params.discount ** jnp.arange(periods)
    keys = jax.random.split(jax.random.key(0), periods)
    exact = replace(simulator.dynamics, whole_units=False)
    stepped = replace(simulator, dynamics=replace(simulator.dynamics, through_rounding=False))

    def play(given: Any, uniforms: Array) -> tuple[Array, Array]:
        """Return rewards [T], and the amounts that were rounded [T, E]."""
        params, policy_params = given

        def period(state: State, now: tuple[Series, Array]) -> tuple[State, tuple[Array, Array]]:
            series, key_policy = now
            action = policy.apply(policy_params, observe(params, state, series), key_policy)
            after, moves = stepped.step(params, state, action, series)
            return after, (moves.reward, act(params, state, action, series, exact).shipped)

        start = simulator.reset(params, scenario)
        _, found = jax.lax.scan(period, start, (replace(series, round_uniform=uniforms), keys))
        rewards, amounts = found
        return weight * rewards, amounts

    given = (params, policy_params)
    rewards, amounts = play(given, series.round_uniform)
    ahead = jnp.arange(arcs)[None, :] <= jnp.arange(arcs)[:, None]
    before = ((params.source[:, None] == params.source[None, :]) & ahead).astype(amounts.dtype)
    reached = amounts @ before.T
    fraction = jax.lax.stop_gradient(reached - jnp.floor(reached))
    # Nothing shipped is no threshold of its own: it is that of the arc before.
    rounded = jax.lax.stop_gradient((amounts > 0) & (fraction > 0)).ravel()
    held = jax.lax.stop_gradient(given)

    def followed(key: Array) -> Array:
        at = jax.random.categorical(key, jnp.where(rounded, 0.0, -jnp.inf))
        at = jnp.where(jnp.any(rounded), at, 0)
        t, arc = at // arcs, at % arcs
        threshold = 1.0 - fraction.ravel()[at]

        def value(aside: float) -> Array:
            uniform = jnp.clip(threshold + aside, 0.0, 1.0 - 1e-6)
            uniforms = series.round_uniform.at[t, params.source[arc]].set(uniform)
            return jnp.sum(play(held, uniforms)[0])

        worth = jax.lax.stop_gradient(value(_ASIDE) - value(-_ASIDE))
        return jnp.where(rounded[at], worth, 0.0) * reached.ravel()[at]

    shipments = jnp.sum(rounded.astype(amounts.dtype))
    part = jax.vmap(followed)(jax.random.split(key, draws))
    total = jnp.sum(rewards)
    return straight_through(total, total + shipments * jnp.mean(part))
