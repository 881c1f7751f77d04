"""Demand that answers to the price: a discount joins the action, and the demand of the period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from draingym.common.price_steps import MAX_DISCOUNT, PIECES, before_softplus, risen
from draingym.simulator.bounds import LARGEST, numbers
from draingym.simulator.core import Simulator
from draingym.simulator.dynamics import observe
from draingym.simulator.precision import real
from draingym.simulator.types import (
    Drain,
    DrainKernel,
    History,
    Params,
    PyTree,
    Series,
    State,
    Transition,
)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class PriceResponse:
    """How demand rises with the discount: piecewise linear, monotone, continuous.

    ``xi(d) = q + softplus(scale) * [sum_{n <= m} delta_n + (d - 0.1 m) delta_{m+1} / 0.1]`` with
    ``delta = softplus(step)`` and ``m = min(floor(10 d), 6)``. The level of demand is ``xi(d)``, or
    ``exp(xi(d)) - 1`` where ``log_scale`` says so, as a forecaster fits it.

    Source: Zalando's demand layer, METHODS section 8, in its continuous form.

    Example:
        >>> one = jnp.float32(1.0)
        >>> response = PriceResponse(base=one, step=jnp.zeros(7), scale=0 * one)
        >>> [round(float(demand_level(response, d)), 2) for d in (0.0, 0.1, 0.7)]
        [1.0, 1.48, 4.36]
    """

    base: Float[Array, ""]  # q, demand without a discount, above 0; the unit does not matter
    step: Float[Array, " pieces"]  # of each tenth of discount, before the softplus
    scale: Float[Array, ""]  # of all steps, before the softplus
    log_scale: bool = field(default=False, metadata={"static": True})  # xi is log(1 + demand)


def make_price_response(lift: Sequence[float]) -> PriceResponse:
    """Make the response that multiplies demand by given factors.

    Args:
        lift: [7] factors of demand at discounts 0.1, 0.2, ..., 0.7, each above the one before and
            the first above 1.

    Returns:
        A response with base 1.

    Raises:
        ValueError: If there are not seven factors, or they do not rise.

    Example:
        >>> response = make_price_response([1.1, 1.4, 1.9, 2.6, 3.5, 4.6, 5.9])
        >>> float(response.base), response.step.shape
        (1.0, (7,))
    """
    factors = numbers("lift", lift)
    rises = np.diff(factors, prepend=1.0) if factors.ndim == 1 else factors
    if factors.shape != (PIECES,) or not ((rises > 0) & (rises <= LARGEST)).all():
        raise ValueError(f"lift is {lift}, must be {PIECES} finite factors that rise from 1")
    return PriceResponse(
        base=jnp.ones(()),
        step=real(before_softplus(rises)),
        scale=real(before_softplus(1.0)),
    )


def demand_level(response: PriceResponse, discount: Float[Array, ""]) -> Float[Array, ""]:
    """Return the level of demand at a discount in [0, 0.7]; see ``PriceResponse``.

    Gradients: exact almost everywhere, with respect to everything. At a kink, a multiple of 0.1,
    the derivative is that of a larger discount; at 0.7 that of a smaller one.

    >>> import jax.numpy as jnp
    >>> response = make_price_response([1.1, 1.4, 1.9, 2.6, 3.5, 4.6, 5.9])
    >>> [round(float(demand_level(response, jnp.float32(d))), 3) for d in (0.0, 0.05, 0.7)]
    [1.0, 1.05, 5.9]
    """
    rise = risen(jax.nn.softplus(response.step), jnp.asarray(discount))
    level = response.base + jax.nn.softplus(response.scale) * rise
    return jnp.expm1(level) if response.log_scale else level


def demand_lift(response: PriceResponse, discount: Float[Array, ""]) -> Float[Array, ""]:
    """Return the factor that a discount multiplies demand by: its level over that at none."""
    base = jnp.expm1(response.base) if response.log_scale else response.base
    return demand_level(response, discount) / base


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class PricedDemandParams:
    """A kernel's parameters, and the response to the price."""

    kernel: PyTree
    response: PriceResponse


@dataclass(frozen=True, kw_only=True, slots=True)
class PricedDemand:
    """A kernel whose exogenous leaves are units of demand, so that a lift can multiply them.

    ``LocalDemand`` is one. Kernels that draw whole orders beforehand are not.
    """

    kernel: DrainKernel

    @property
    def num_uniforms(self) -> int:
        """As many as the kernel's."""
        return self.kernel.num_uniforms

    @property
    def backlog(self) -> bool:
        """As the kernel's."""
        return self.kernel.backlog

    def prepare(self, params: PricedDemandParams, series: Series) -> PyTree:
        """Return the kernel's demand at the list price.

        Raises:
            TypeError: If the kernel prepares anything but real numbers.
        """
        demand = self.kernel.prepare(params.kernel, series)
        for leaf in jax.tree.leaves(demand):
            if not jnp.issubdtype(leaf.dtype, jnp.floating):
                raise TypeError(
                    f"kernel prepares {leaf.dtype}, must prepare units of demand as real numbers"
                )
        return demand

    def init(self, params: PricedDemandParams, history: History) -> PyTree:
        """Return the kernel's memory."""
        return self.kernel.init(params.kernel, history)

    def drain(
        self,
        params: PricedDemandParams,
        memory: PyTree,
        available: Float[Array, " N"],
        exogenous: PyTree,
        uniforms: Float[Array, " K"],
    ) -> tuple[PyTree, Drain]:
        """Let the kernel serve the period's demand."""
        return self.kernel.drain(params.kernel, memory, available, exogenous, uniforms)


@dataclass(frozen=True, kw_only=True, slots=True)
class PricedSimulator(Simulator):
    """A simulator whose action ends with a discount; its kernel is a ``PricedDemand``.

    In a period of discount d, customers pay ``(1 - d)`` times the list price, and the demand of
    the period is multiplied by ``xi(d) / xi(0)``. Backlog that already waits pays the price of the
    period that serves it. Everything else is the ``Simulator``'s, rollouts included.
    """

    def __post_init__(self) -> None:
        """Refuse a kernel without a price response."""
        if not isinstance(self.kernel, PricedDemand):
            raise TypeError(f"kernel is {type(self.kernel).__name__}, must be a PricedDemand")

    def step(
        self, params: Params, state: State, action: Float[Array, " A"], series: Series
    ) -> tuple[State, Transition]:
        """Advance one period at a discount; see ``Simulator.step``.

        Args:
            params: Costs, limits, structure, and ``PricedDemandParams``.
            state: The state before the period.
            action: [N + 1] units each node requests from its parent, then the discount, in
                [0, 0.7]; clipped.
            series: The period's slice of a prepared ``scenario.series``.

        Returns:
            The next state, and the transition; its action is [N + 1], its observation is what was
            seen before the discount was set.

        Gradients:
            Exact almost everywhere in the discount too: by the price, and by the demand.
        """
        wanted = action[-1]
        discount = jnp.where(
            wanted >= 0, jnp.where(wanted <= MAX_DISCOUNT, wanted, MAX_DISCOUNT), 0
        )
        lift = demand_lift(params.kernel.response, discount)
        priced = replace(
            series,
            price=series.price * (1.0 - discount),
            exogenous=jax.tree.map(lambda demand: demand * lift, series.exogenous),
        )
        state_after, transition = Simulator.step(self, params, state, action[:-1], priced)
        seen = observe(params, state, series)
        return state_after, replace(transition, action=action, observation=seen)
