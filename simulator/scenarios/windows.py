"""Windows of a long history to roll policies out in: random starts for training, one for a test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from draingym.simulator.core import Simulator
from draingym.simulator.precision import real
from draingym.simulator.scenarios.noise import checked_lead_time, sample_noise
from draingym.simulator.scenarios.series import initial_from_panel
from draingym.simulator.types import DrainKernel, Initial, Market, Params, PyTree, Scenario


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Windows:
    """A batch of products' prepared markets, and the states they were in at some periods.

    A pytree, so that a jitted update takes it as an argument instead of baking it in.
    """

    market: Market  # leaves [P, T, ...], prepared by the kernel
    initial: Initial  # leaves [S, P, ...]
    start: Int[Array, " S"]  # first period of each window
    lead_time: Float[Array, "N lead"]  # probability of k periods from the parent
    num_uniforms: int = field(metadata={"static": True})  # that the kernel needs a period

    @property
    def num_products(self) -> int:
        """How many products there are, ``P``."""
        return int(self.market.period.shape[0])

    @property
    def num_starts(self) -> int:
        """How many windows there are, ``S``."""
        return int(self.start.shape[0])


def make_windows(
    simulator: Simulator,
    params: Params,
    panel: Any,
    market: Market,
    starts: Sequence[int],
    pipelines: Sequence[np.ndarray],
    horizon: int,
    lead_time: ArrayLike,
    key: Array,
) -> Windows:
    """Prepare a market once and note where every window starts.

    Args:
        simulator: Whose kernel prepares what no action changes, over all periods.
        params: Its parameters.
        panel: Labelled arrays as ``draingym.world.panel.build_panel`` makes them.
        market: Leaves [P, T, ...], of the same products and periods.
        starts: First period of each window.
        pipelines: [P, L, N] units in transit at each start; row k arrives k periods later.
        horizon: Periods that every window must leave.
        lead_time: [N, L+1] probability of k periods from the parent.
        key: Of what a kernel draws when it prepares, such as a product's member of an ensemble: it
            holds in all windows. Everything else is drawn by ``window``.

    Returns:
        Windows for ``window``.

    Raises:
        ValueError: If there is no start, a window would not lie within the market, or lead times
            do not sum to one.
    """
    periods = market.period.shape[1]
    if len(starts) == 0 or len(starts) != len(pipelines):
        raise ValueError(
            f"starts has {len(starts)} entries, pipelines {len(pipelines)}, must be the same, "
            "at least 1"
        )
    for start in starts:
        if not 1 <= start <= periods - horizon:
            raise ValueError(
                f"start is {start}, must be in [1, {periods - horizon}]: {periods} periods hold "
                f"no window of {horizon} otherwise"
            )
    initials = [
        initial_from_panel(panel, start, pipeline)
        for start, pipeline in zip(starts, pipelines, strict=True)
    ]
    kernel, leads = simulator.kernel, real(checked_lead_time(lead_time))
    return Windows(
        market=replace(market, exogenous=prepared(kernel, params.kernel, market, leads, key)),
        initial=jax.tree.map(lambda *leaves: jnp.stack(leaves), *initials),
        start=jnp.asarray(starts, jnp.int32),
        lead_time=leads,
        num_uniforms=kernel.num_uniforms,
    )


def windows_from_scenarios(
    simulator: Simulator, params: Params, scenarios: Scenario, lead_time: ArrayLike
) -> Windows:
    """Return one window of scenarios that were drawn, such as a sampler's: the public bridge.

    Their markets and starting states stay; lead times, roundings and the kernel's draws are made
    anew by ``window``, as in every window.

    Args:
        simulator: Whose kernel prepares what no action changes.
        params: Its parameters.
        scenarios: Leaves [P, ...] and [P, T, ...], such as ``jax.vmap(env.sample)(keys)``.
        lead_time: [N, L+1] probability of k periods from the parent.

    Returns:
        Windows with one start, at the first period, and P products.

    Raises:
        ValueError: If the scenarios have no leading axis, or lead times do not sum to one.

    Example:
        >>> import jax
        >>> from draingym import simulator
        >>> made, params, sample = simulator.single_store(lead_time=1)
        >>> keys = jax.random.split(jax.random.key(0), 4)
        >>> drawn = jax.vmap(lambda key: sample(key, 12))(keys)
        >>> windows = simulator.windows_from_scenarios(made, params, drawn, [[0.0, 1.0]])
        >>> windows.num_products, windows.num_starts
        (4, 1)
    """
    if scenarios.series.period.ndim != 2:
        raise ValueError(
            f"scenarios.series.period has shape {scenarios.series.period.shape}, must be (P, T): "
            "one trajectory a product"
        )
    prepare = jax.jit(jax.vmap(partial(simulator.kernel.prepare, params.kernel)))
    return Windows(
        market=replace(scenarios.series, exogenous=prepare(scenarios.series)),
        initial=jax.tree.map(lambda leaf: leaf[None], scenarios.initial),
        start=jnp.zeros(1, jnp.int32),
        lead_time=real(checked_lead_time(lead_time)),
        num_uniforms=simulator.kernel.num_uniforms,
    )


@partial(jax.jit, static_argnames="kernel")  # which leaves out draws that the kernel does not use
def prepared(
    kernel: DrainKernel, kernel_params: PyTree, market: Market, lead_time: Array, key: Array
) -> PyTree:
    """Return what a kernel makes of all products' markets."""
    drawn = sample_noise(market, lead_time, kernel.num_uniforms, key)
    return jax.vmap(kernel.prepare, in_axes=(None, 0))(kernel_params, drawn)


def window(
    windows: Windows,
    which: ArrayLike,
    horizon: int,
    key: Array,
    products: Int[Array, " B"] | None = None,
) -> Scenario:
    """Cut one window out, and draw for it.

    Args:
        windows: What ``make_windows`` made.
        which: Index of the window, may be traced.
        horizon: Periods; static.
        key: Two calls with one key and the same products share all random numbers.
        products: [B] which products; all when not given.

    Returns:
        A batch of scenarios, leaves [B, ...] and [B, horizon, ...].

    Raises:
        ValueError: If the horizon is below 1 or beyond the market. Inside ``jit``, where the start
            is not known, it is held against the length of the market alone.
    """
    left = windows.market.period.shape[1]
    if not any(isinstance(x, jax.core.Tracer) for x in (which, windows.start)):
        left -= int(np.asarray(windows.start)[np.asarray(which)])
    if not 1 <= horizon <= left:
        raise ValueError(f"horizon is {horizon}, must be in [1, {left}], the periods that are left")

    scenario: Scenario = _cut(windows, jnp.asarray(which), horizon, key, products)
    return scenario


@partial(jax.jit, static_argnums=2)  # one program instead of many small ones
def _cut(
    windows: Windows, which: Array, horizon: int, key: Array, products: Int[Array, " B"] | None
) -> Scenario:
    def cut(leaf: Array) -> Array:
        chosen = leaf if products is None else leaf[products]
        return jax.lax.dynamic_slice_in_dim(chosen, windows.start[which], horizon, axis=1)

    market: Market = jax.tree.map(cut, windows.market)
    market = replace(market, last=jnp.zeros_like(market.last).at[:, -1].set(True))
    initial: Initial = jax.tree.map(
        lambda leaf: leaf[which] if products is None else leaf[which][products], windows.initial
    )
    series = sample_noise(market, windows.lead_time, windows.num_uniforms, key)
    return Scenario(initial=initial, series=series)
