"""What a machine must get right: a known optimum, a derivative, devices that agree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy import stats

from draingym.common.cores import VARIABLE
from draingym.common.shared_jit import jit
from draingym.policies.bounds.optimal import base_stock_optimum, discretise
from draingym.policies.rules.base_stock import BaseStock
from draingym.simulator import Scenario, batch_returns, single_store

_PERIODS, _WARM_UP, _BATCH = 60, 10, 4096
_LEAD_TIME, _HOLDING, _UNMET, _MEAN, _SD = 1, 1.0, 9.0, 5.0, 1.6
_COST_OFF = 0.01  # of the optimum: what 4,096 stores of 50 periods scatter by, and a little more
_SLOPE_OFF = 0.01  # of the central difference
_GPU_OFF = 1e-4  # of the processor's numbers: another order of sums
_PATIENCE = 120  # seconds that a process of two devices may take


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """What was checked, and what came out."""

    name: str
    passes: bool | None  # None where there was nothing to check
    says: str
    figures: dict[str, Any] = field(default_factory=dict)


@lru_cache(maxsize=1)
def _store() -> tuple[Callable[..., Float[Array, " B"]], Scenario]:
    """Return costs a period of a store with backlog at a level, and the customers they are of."""
    simulator, params, sample = single_store(
        lead_time=_LEAD_TIME,
        holding_cost=_HOLDING,
        unmet_cost=_UNMET,
        mean_demand=_MEAN,
        sd_demand=_SD,
    )
    policy = BaseStock()

    def costs(level: Float[Array, ""], scenario: Scenario) -> Float[Array, " B"]:
        returns = batch_returns(simulator, params, policy, level, scenario, warm_up=_WARM_UP)
        return -returns / (_PERIODS - _WARM_UP)

    return costs, sample(jax.random.key(0), _PERIODS, _BATCH)


@lru_cache(maxsize=1)
def _compiled() -> Callable[..., Float[Array, " B"]]:
    return jit(_store()[0])


def costs(level: float) -> list[float]:
    """Return the cost a period of every one of a batch of stores at a level."""
    found: list[float] = np.asarray(_compiled()(jnp.float32(level), _store()[1])).tolist()
    return found


def optimum() -> Check:
    """Check that the best level of the newsvendor's store costs what theory says, and is best."""
    demand = discretise(stats.norm(_MEAN, _SD), 0.01)
    best = base_stock_optimum(
        demand, 0.01, lead_time=_LEAD_TIME, holding_cost=_HOLDING, unmet_cost=_UNMET
    )
    level = float(best.levels[0])
    below, found, above = (float(np.mean(costs(level + step))) for step in (-1.0, 0.0, 1.0))
    off = found / best.cost - 1.0
    return Check(
        name="optimum of the store",
        passes=abs(off) <= _COST_OFF and found < min(below, above),
        says=(
            f"level {level:.2f} costs {found:.3f} a period, theory {best.cost:.3f} ({off:+.2%}, "
            f"within {_COST_OFF:.0%}); a unit less {below:.3f}, a unit more {above:.3f}"
        ),
        figures={"level": level, "cost": found, "theory": best.cost, "off": off},
    )


def gradient() -> Check:
    """Check the derivative through a rollout against a central difference."""
    function, scenario = _store()

    def mean(level: Float[Array, ""]) -> Float[Array, ""]:
        return jnp.mean(function(level, scenario))

    at, step = 11.0, 0.05
    exact = float(jit(jax.grad(mean))(jnp.float32(at)))
    low, high = (float(np.mean(costs(at + sign * step))) for sign in (-1.0, 1.0))
    difference = (high - low) / (2 * step)
    off = abs(exact / difference - 1.0)
    return Check(
        name="gradient",
        passes=off <= _SLOPE_OFF,
        says=(
            f"{exact:.4f}, central difference {difference:.4f} ({off:.2%} off, bound "
            f"{_SLOPE_OFF:.0%})"
        ),
        figures={"gradient": exact, "difference": difference, "off": off},
    )


_ELSEWHERE = """
import json, sys
import draingym
import jax
from draingym.common.devices import cores_mesh
from draingym.selftest.checks import _BATCH, _PERIODS, costs
mesh = cores_mesh(_BATCH, _BATCH * _PERIODS)
print(json.dumps({"devices": 1 if mesh is None else mesh.size, "costs": costs(float(sys.argv[1]))}))
"""


def two_devices() -> Check:
    """Check that a batch that two devices share comes out as on one."""
    name, level = "two devices", 11.0
    found: dict[int, Any] = {}
    for devices in (1, 2):
        given = {**os.environ, VARIABLE: str(devices), "JAX_PLATFORMS": "cpu"}
        try:
            ran = subprocess.run(
                [sys.executable, "-c", _ELSEWHERE, str(level)],
                env=given,
                capture_output=True,
                text=True,
                timeout=_PATIENCE,
                check=True,
            )
            found[devices] = json.loads(ran.stdout.splitlines()[-1])
        except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
            said = getattr(error, "stderr", None) or str(error)
            last = said.strip().splitlines()[-1] if said.strip() else "nothing"
            return Check(
                name=name, passes=False, says=f"a process of {devices} devices failed: {last}"
            )
    if found[2]["devices"] != 2:
        return Check(
            name=name, passes=None, says="XLA_FLAGS or JAX_NUM_CPU_DEVICES chose the devices"
        )
    off = float(np.abs(np.subtract(found[1]["costs"], found[2]["costs"])).max())
    return Check(
        name=name,
        passes=off == 0.0,
        says=f"{_BATCH:,} stores, {'the same numbers' if off == 0.0 else f'{off:g} off'} as on one",
        figures={"off": off},
    )


def gpu() -> Check:
    """Check that a GPU, where there is one, finds what the processor does."""
    name = "GPU"
    there = [device for device in jax.devices() if device.platform == "gpu"]
    if not there:
        return Check(name=name, passes=None, says="none that JAX sees")
    function, scenario = _store()
    found = []
    for device in (jax.devices("cpu")[0], there[0]):
        given = jax.device_put((jnp.float32(11.0), scenario), device)
        found.append(np.asarray(jax.jit(function)(*given), np.float64))
    off = float(np.max(np.abs(found[1] - found[0]) / np.maximum(np.abs(found[0]), 1e-9)))
    return Check(
        name=name,
        passes=off <= _GPU_OFF,
        says=f"{there[0].device_kind}: {off:.1e} off the processor, bound {_GPU_OFF:g}",
        figures={"off": off, "device": there[0].device_kind},
    )


CHECKS = (optimum, gradient, two_devices, gpu)
