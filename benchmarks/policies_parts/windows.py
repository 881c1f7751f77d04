"""Scenarios as windows that baselines are tuned on."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from draingym.simulator import Params, Scenario, Simulator, Windows


def windows_of(
    simulator: Simulator, params: Params, scenarios: Scenario, lead_time: Any
) -> Windows:
    """Return one window of a batch of scenarios, leaves [P, ...] and [P, T, ...]."""
    prepare = jax.jit(jax.vmap(partial(simulator.kernel.prepare, params.kernel)))
    return Windows(
        market=replace(scenarios.series, exogenous=prepare(scenarios.series)),
        initial=jax.tree.map(lambda leaf: leaf[None], scenarios.initial),
        start=jnp.zeros(1, jnp.int32),
        lead_time=jnp.asarray(lead_time, jnp.float32),
        num_uniforms=simulator.kernel.num_uniforms,
    )
