"""A trajectory, period by period: where a value, or a derivative, stops being finite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from draingym.simulator.core import Simulator, discounted_return
from draingym.simulator.dynamics import observe
from draingym.simulator.finite.names import (
    axes_of,
    brackets,
    is_real,
    join,
    named,
    not_finite,
    real_leaves,
    terms_of_period,
)
from draingym.simulator.types import Params, Policy, PyTree, Scenario, State, Transition

_AXES = {"N": "node", "E": "arc", "Z": "region", "L": "row", "D": "row", "A": "age"}

Names = Mapping[str, Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class NonFinite:
    """The first entry that is not finite; ``str`` says it in words.

    Attributes:
        trajectory: Its place in the batch.
        period: From 0 on.
        term: A flow or cost, named as in ``Transition`` (``ledger.shipments``), or a part of the
            next ``state``.
        place: The node or arc; empty where the term is of the whole network, or it cannot be told.
        value: NaN or infinity.
        towards: What the derivative is with respect to; empty where the value itself is not finite.
        given: A number that is not finite and was handed in; empty where there is none.

    Example:
        >>> nan = float("nan")
        >>> where = NonFinite(trajectory=2, period=7, term="reward", place="node 1", value=nan)
        >>> print(where)
        trajectory 2, period 7: reward of node 1 is nan
    """

    trajectory: int
    period: int
    term: str
    place: str
    value: float
    towards: str = ""
    given: str = ""

    def __str__(self) -> str:
        """Return a sentence."""
        what = f"{self.term} of {self.place}" if self.place else self.term
        if self.towards:
            what = f"the derivative of {what} with respect to {self.towards}"
        said = f"trajectory {self.trajectory}, period {self.period}: {what} is {self.value}"
        return f"{said}; {self.given}" if self.given else said


class _Rolled(NamedTuple):
    """A trajectory: each period's start, what happened in it, its series and key."""

    starts: State
    ends: State
    moves: Transition
    now: Any


class Walk:
    """A policy in a simulator, period by period."""

    def __init__(
        self, simulator: Simulator, params: Params, policy: Policy, learned: PyTree, names: Names
    ) -> None:
        """Keep them; see ``first_non_finite``."""
        self.simulator, self.params, self.policy = simulator, params, policy
        self.learned = jax.tree.map(jnp.asarray, learned)
        self.names = names

    def period(self, learned: PyTree, state: State, now: Any) -> tuple[State, Transition]:
        """Let the policy act, and step."""
        series, key = now
        action = self.policy.apply(learned, observe(self.params, state, series), key)
        return self.simulator.step(self.params, state, action, series)

    def roll(self, learned: PyTree, scenario: Scenario, keys: Array) -> _Rolled:
        """Walk through a scenario."""
        if scenario.series.exogenous is None:
            scenario = self.simulator.prepare(self.params, scenario)

        def step(state: State, now: Any) -> tuple[State, Any]:
            after, moves = self.period(learned, state, now)
            return after, (state, after, moves)

        now = (scenario.series, keys)
        start = self.simulator.reset(self.params, scenario)
        starts, ends, moves = jax.lax.scan(step, start, now)[1]
        return _Rolled(starts, ends, moves, now)

    def look(self, one: tuple[Scenario, Array]) -> tuple[Array, Array]:
        """Return whether the return, or an action, is not finite, and whether the slope is not."""

        def total(reals: list[Array]) -> tuple[Array, Array]:
            moves = self.roll(join(self.learned, reals), *one).moves
            return discounted_return(self.params, moves), not_finite([moves.reward, moves.action])

        slope, bad = jax.grad(total, has_aux=True)(real_leaves(self.learned))
        return bad, not_finite(slope)

    def value(self, scenario: Scenario, keys: Array) -> NonFinite:
        """Return the first value that is not finite."""
        rolled = jax.jit(self.roll)(self.learned, scenario, keys)
        first: tuple[int, int, str, Any] | None = None
        for order, (name, leaf) in enumerate(terms_of_period(rolled.moves, rolled.ends)):
            values = np.asarray(leaf)
            bad = np.argwhere(~np.isfinite(values))
            if bad.size and (first is None or (bad[0][0], order) < first[:2]):
                first = int(bad[0][0]), order, name, (tuple(bad[0][1:]), values[tuple(bad[0])])
        if first is None:
            raise ValueError("rewards and actions are finite, must not be")
        period, _, name, (index, value) = first
        return NonFinite(
            trajectory=0,
            period=period,
            term=name,
            place=self._place(name, index),
            value=float(value),
        )

    def slope(self, scenario: Scenario, keys: Array) -> NonFinite:
        """Return the first term of the first period that makes a derivative not finite."""
        rolled = jax.jit(self.roll)(self.learned, scenario, keys)
        bad, ahead = jax.jit(self._backward)(rolled)
        reaches = jax.jit(self._reaches)
        periods = [int(t) for t in np.flatnonzero(np.asarray(bad))]
        # A derivative with respect to a state that no parameter can reach does no harm.
        harmful = (t for t in periods if bool(reaches(rolled, ahead, t)))
        period = next(harmful, periods[-1] if periods else len(np.asarray(bad)) - 1)
        state, now = jax.tree.map(lambda leaf: leaf[period], (rolled.starts, rolled.now))
        first = self._first_bad(state, now, period)
        return first or NonFinite(
            trajectory=0,
            period=period,
            term="reward",
            place="",
            value=float("inf"),
            towards="what came before, which grows without bound",
        )

    def _pull(self, state: State, now: Any, ahead: list[Array], reward: Any) -> Any:
        """Return derivatives by parameters and state, given those by the next state and reward."""

        def after(learned: list[Array], reals: list[Array]) -> Any:
            end, moves = self.period(join(self.learned, learned), join(state, reals), now)
            return real_leaves(end), moves.reward

        (_, one), back = jax.vjp(after, real_leaves(self.learned), real_leaves(state))
        return back((ahead, jnp.asarray(reward, one.dtype)))

    def _backward(self, rolled: _Rolled) -> tuple[Array, list[Array]]:
        """Return [T] whether a period makes its derivatives not finite, and what it was given."""

        def step(ahead: list[Array], at: Any) -> Any:
            state, now = at
            by_learned, by_state = self._pull(state, now, ahead, 1.0)
            clean = [jnp.where(jnp.isfinite(leaf), leaf, 1.0) for leaf in by_state]
            return clean, (not_finite([*by_learned, *by_state]), ahead)

        none = [jnp.zeros_like(leaf[0]) for leaf in real_leaves(rolled.starts)]
        found = jax.lax.scan(step, none, (rolled.starts, rolled.now), reverse=True)[1]
        return found[0], found[1]

    def _reaches(self, rolled: _Rolled, ahead: list[Array], period: Any) -> Array:
        """Return whether what a period makes reaches the parameters, in it or before."""

        def step(carried: list[Array], at: Any) -> Any:
            t, state, now, given = at
            here = t == period
            coming = [jnp.where(here, a, b) for a, b in zip(given, carried, strict=True)]
            by_learned, by_state = self._pull(state, now, coming, jnp.where(here, 1.0, 0.0))
            going = [jnp.where(t <= period, leaf, 0.0) for leaf in by_state]
            return going, (t <= period) & not_finite(by_learned)

        none = [jnp.zeros_like(leaf[0]) for leaf in real_leaves(rolled.starts)]
        every = (jnp.arange(ahead[0].shape[0]), rolled.starts, rolled.now, ahead)
        return jnp.any(jax.lax.scan(step, none, every, reverse=True)[1])

    def _term(self, state: State, now: Any, term: int, first: bool) -> Any:
        """Return a function of what a term of a period depends on, and where it is now."""

        def of(learned: list[Array], reals: list[Array] | None = None) -> Array:
            start = state if reals is None else join(state, reals)
            end, moves = self.period(join(self.learned, learned), start, now)
            found: Array = terms_of_period(moves, end)[term][1]
            return found

        # No parameter reaches the first state.
        learned = real_leaves(self.learned)
        return of, (learned,) if first else (learned, real_leaves(state))

    def _first_bad(self, state: State, now: Any, period: int) -> NonFinite | None:
        """Return the first term of a period whose derivative is not finite.

        Going back, one bad entry spoils all (0 times infinity is NaN); going forward it stands
        alone, but for one on the side of a ``where`` that is not taken: its place cannot be told.
        """
        end, moves = jax.eval_shape(self.period, self.learned, state, now)
        for term, (name, shape) in enumerate(terms_of_period(moves, end)):
            if name.startswith("observation") or not is_real(shape):
                continue
            of, at = self._term(state, now, term, period == 0)
            value, back = jax.vjp(of, *at)
            every = jax.tree.leaves(back(jnp.ones_like(value)))
            if not not_finite(every):
                continue
            tangent = np.asarray(jax.jvp(of, at, jax.tree.map(jnp.ones_like, at))[1])
            bad = np.flatnonzero(~np.isfinite(tangent))
            told = bad.size or value.size == 1
            i = int(bad[0]) if bad.size else 0
            unit = jnp.zeros(value.size, value.dtype).at[i].set(1.0).reshape(value.shape)
            alone = jax.tree.leaves(back(unit))
            slopes = [np.asarray(leaf) for leaf in (alone if not_finite(alone) else every)]
            infinite = [k for k, leaf in enumerate(slopes) if np.isinf(leaf).any()]
            k = [*infinite, *(k for k, leaf in enumerate(slopes) if np.isnan(leaf).any())][0]
            index = tuple(np.argwhere(~np.isfinite(slopes[k]))[0])
            return NonFinite(
                trajectory=0,
                period=period,
                term=name,
                place=self._place(name, np.unravel_index(i, value.shape)) if told else "",
                value=float(slopes[k][index]),
                towards=self._input(state, k, index),
            )
        return None

    def _input(self, state: State, k: int, index: Any) -> str:
        """Return the words for an entry of the parameters, or of the state at a period's start."""
        learned = named(self.learned, "policy_params", real=True)
        if k < len(learned):
            return learned[k][0] + brackets(index)
        name = named(state, "state", real=True)[k - len(learned)][0]
        place = self._place(name, index)
        return f"{name} of {place}" if place else name + brackets(index)

    def _place(self, name: str, index: Any) -> str:
        """Return the words for an entry of a term: its node, arc or row."""
        words = []
        for axis, i in zip(axes_of(name), index, strict=False):
            kind = _AXES.get(axis, axis)
            listed = self.names.get(kind)
            words.append(f"{kind} {int(i) if listed is None else repr(listed[int(i)])}")
        return ", ".join(words)

    def given(self, scenario: Scenario) -> str:
        """Return the words for the first number handed in that is not finite; empty for none."""
        series = named(replace(scenario.series, exogenous=None, terms=None), "scenario.series")
        for name, leaf in (
            *named(self.learned, "policy_params"),
            *series,
            *named(scenario.initial, "scenario.initial"),
            *named(self.params, "params"),
            *named(scenario.series.terms, "scenario.series.terms"),
        ):
            endless = name.startswith(("params", "scenario.series.terms"))  # what limits nothing
            values = np.asarray(leaf) if is_real(jnp.asarray(leaf)) else np.zeros(())
            bad = np.argwhere(np.isnan(values) if endless else ~np.isfinite(values))
            if len(bad):
                index = tuple(bad[0])
                return f"{name}{brackets(index)} is {values[index]}"
        return ""
