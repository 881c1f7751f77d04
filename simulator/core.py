"""The simulator: pure functions on pytrees, for one product; batches come from ``jax.vmap``."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from draingym.simulator.checks import check_waiting, countable
from draingym.simulator.dynamics import act, observe
from draingym.simulator.network.stowing import terms_of
from draingym.simulator.precision import as_real
from draingym.simulator.settlement import settle
from draingym.simulator.types import (
    DrainKernel,
    Dynamics,
    Params,
    Policy,
    PyTree,
    Scenario,
    Series,
    State,
    Trajectory,
    Transition,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Simulator:
    """A network whose customers are a ``DrainKernel``.

    Attributes:
        kernel: Which node ships how much, and at what cost.
        dynamics: How shipments between nodes work.
    """

    kernel: DrainKernel
    dynamics: Dynamics = field(default_factory=Dynamics)

    def prepare(self, params: Params, scenario: Scenario) -> Scenario:
        """Return the scenario with everything computed that no action can change.

        A rollout does this by itself; prepare once where many rollouts share a scenario.
        """
        exogenous = self.kernel.prepare(params.kernel, scenario.series)
        return replace(scenario, series=replace(scenario.series, exogenous=exogenous))

    def reset(self, params: Params, scenario: Scenario) -> State:
        """Return the state in which a trajectory starts.

        Raises:
            ValueError: If customers wait though the kernel has no backlog, or the network holds
                more than ``MOST_UNITS`` whole units. Inside ``jit``, where the number is not
                known, stock above it becomes NaN, and so does everything that follows.
        """
        initial = scenario.initial
        check_waiting(self.kernel, initial.history)
        waiting = initial.history.waiting
        on_hand = initial.on_hand
        if self.dynamics.whole_units:
            on_hand = countable(on_hand, initial.pipeline)
        none, no_arc = jnp.zeros_like(on_hand), jnp.zeros_like(params.source, float)
        terms = terms_of(params, scenario.series)

        def unless(there: bool, given: Array | None) -> Array | None:
            return (no_arc if given is None else given) if there else None

        state: State = as_real(
            State(
                on_hand=on_hand,
                pipeline=initial.pipeline,
                waiting=none if waiting is None else waiting,
                memory=self.kernel.init(params.kernel, initial.history),
                owed=unless(self.dynamics.hold_requests, initial.owed),
                gate=unless(terms is not None and terms.leave_limit is not None, None),
                door=unless(terms is not None and terms.receive_limit is not None, None),
                parts=unless(params.assembly is not None, initial.parts),
                ages=initial.ages,
                queue=initial.queue,
            )
        )
        return state

    def step(
        self, params: Params, state: State, action: Float[Array, " E"], series: Series
    ) -> tuple[State, Transition]:
        """Advance one period: act, arrivals, drain, costs (see ``draingym.simulator.dynamics``).

        Args:
            params: Costs, limits, structure and the kernel's parameters.
            state: The state before the period.
            action: [E] units requested on each arc; in a tree, by each node from its parent.
            series: The period's slice of a prepared ``scenario.series``.

        Returns:
            The next state, and the transition with every flow.

        Gradients:
            Exact almost everywhere for real units; through whole units and draws, see
            ``draingym.simulator.draws``. Values are the same with gradients on or off.
        """
        observation = observe(params, state, series)
        acted = act(params, state, action, series, self.dynamics)
        memory, drain = self.kernel.drain(
            params.kernel, state.memory, acted.available, series.exogenous, series.drain_uniform
        )
        state, transition = settle(
            params, observation, action, acted, drain, memory, series, self.dynamics
        )
        return as_real(state), transition

    def rollout(
        self,
        params: Params,
        policy: Policy,
        policy_params: PyTree,
        scenario: Scenario,
        key: Array | None = None,
        *,
        remat: bool = True,
    ) -> Trajectory:
        """Run a policy through a scenario with ``lax.scan``.

        Args:
            params: Costs, limits, structure and the kernel's parameters.
            policy: What acts.
            policy_params: Its parameters; the derivative with respect to them is the point.
            scenario: Prepared or not; time axes must all have the same length.
            key: For policies that draw at random; fixed when not given.
            remat: Recompute a period's interior in the backward pass instead of storing it.

        Returns:
            Transitions with a leading time axis, and the final state.
        """
        if scenario.series.exogenous is None:
            scenario = self.prepare(params, scenario)
        keys = jax.random.split(
            jax.random.key(0) if key is None else key, scenario.series.period.shape[0]
        )

        def period(state: State, now: tuple[Series, Array]) -> tuple[State, Transition]:
            series, key_policy = now
            action = policy.apply(policy_params, observe(params, state, series), key_policy)
            return self.step(params, state, action, series)

        body = jax.checkpoint(period, prevent_cse=False) if remat else period
        final, transitions = jax.lax.scan(
            body, self.reset(params, scenario), (scenario.series, keys)
        )
        return Trajectory(transitions=transitions, final=final)


def discounted_return(params: Params, transitions: Transition) -> Float[Array, ""]:
    """Return the sum over periods of ``discount**t * reward``; the time axis is the last."""
    reward = transitions.reward
    weight = params.discount ** jnp.arange(reward.shape[-1])
    return jnp.sum(reward * jnp.broadcast_to(weight, reward.shape), axis=-1)
