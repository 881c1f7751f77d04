"""Speed and memory of cached rollouts, beside those that encode a whole window at every step.

Both make the same draws and must ship the same units. The gradient is that of ship and holding cost
in the units that arrive, with the step recomputed (remat). Peak memory is what the compiler sets
aside for temporaries.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np

from benchmarks._common import Claim, Row, at_least, figure_only, timed
from benchmarks.drain_parts.rollouts import NODES, REGIONS, Places, Rollouts
from draingym.drain_model import DrainConfig

HORIZONS = (8, 26, 52)  # periods, of the memory's table
FORWARD, GRADIENT = 8.0, 4.0  # bars, times faster
TOLERANCE = 1e-4  # relative, of what both rollouts ship


def compiled(rollouts: Rollouts, kind: Any) -> tuple[Any, float]:
    """Return a compiled function, and how long compiling it took."""
    start = time.perf_counter()
    found = rollouts.compiled(kind)
    return found, time.perf_counter() - start


def rollout_rows(label: str, config: DrainConfig, products: int, horizon: int) -> Iterable[Row]:
    """Time both kernels; yield a row for each direction.

    Raises:
        RuntimeError: If they do not ship the same units at the same cost.
    """
    cached = Rollouts.of(config, products, horizon, seed=0)
    both = {"cached": cached, "windows": cached.windows()}
    calls: dict[str, Callable[[], Any]] = {}
    compiling: dict[str, float] = {}
    for name, rollouts in both.items():
        prepare, compiling[f"{name} prepare"] = compiled(rollouts, "prepare")
        exogenous = prepare(rollouts.params)
        calls[f"{name} prepare"] = partial(prepare, rollouts.params)
        for kind in ("forward", "remat"):
            function, compiling[f"{name} {kind}"] = compiled(rollouts, kind)
            calls[f"{name} {kind}"] = partial(
                function, rollouts.params, exogenous, rollouts.arrivals
            )
    if config.precision == "float32":
        names = ("units", "cost", "gradient", "units", "cost")
        (_, flows), (gradient, more) = (calls[f"cached {k}"]() for k in ("forward", "remat"))
        (_, flows_w), (gradient_w, more_w) = (calls[f"windows {k}"]() for k in ("forward", "remat"))
        pairs = zip((*flows, gradient, *more), (*flows_w, gradient_w, *more_w), strict=True)
        for name, (a, b) in zip(names, pairs, strict=True):
            scale = float(jnp.max(jnp.abs(a)))
            gap = float(jnp.max(jnp.abs(a - b))) / scale if scale > 0 else np.inf
            if not gap <= TOLERANCE:
                raise RuntimeError(f"{label}: {name} with and without cache differ by {gap:.2g}")
    times = timed(calls)
    for kind, direction in (("forward", "forward"), ("remat", "gradient")):
        fast, slow = times[f"cached {kind}"], times[f"windows {kind}"]
        yield {
            "network": label,
            "precision": config.precision,
            "direction": direction,
            "horizon": horizon,
            "products": products,
            "cached, ms": 1e3 * fast[0],
            "location stream, ms": 1e3 * times["cached prepare"][0],
            "windows, ms": 1e3 * slow[0],
            "times faster": slow[0] / fast[0],
            "times faster, processor": slow[1] / fast[1],
            "times faster, stream included": slow[0] / (fast[0] + times["cached prepare"][0]),
            "compile, s": max(compiling[f"{name} {kind}"] for name in both),
        }


def memory_rows(
    label: str,
    config: DrainConfig,
    products: int,
    horizons: tuple[int, ...] = HORIZONS,
    places: Places = (NODES, REGIONS),
    *,
    windows: bool = True,
) -> Iterable[Row]:
    """Yield the peak memory of the gradient by kernel, remat and horizon."""
    for horizon in horizons:
        cached = Rollouts.of(config, products, horizon, 0, places)
        both = {"cached": cached} | ({"windows": cached.windows()} if windows else {})
        for name, rollouts in both.items():
            for kind, said in (("remat", "yes"), ("stored", "no")):
                function, _ = compiled(rollouts, kind)
                yield {
                    "network": label,
                    "kernel": name,
                    "remat": said,
                    "horizon": horizon,
                    "products": products,
                    "peak memory, MB": function.memory_analysis().temp_size_in_bytes / 1e6,
                }


def rollout_claims(rows: Iterable[Row]) -> list[Claim]:
    """Return the claims of bar 4: in float32 they have a bound."""
    claims = []
    for row in rows:
        what = f"cached rollout over windows, {row['direction']}, {row['network']}"
        value, single = row["times faster"], row["precision"] == "float32"
        bound = FORWARD if row["direction"] == "forward" else GRADIENT
        if single:
            claims.append(at_least(4, what, value, "x", bound))
            included = row["times faster, stream included"]
            claims.append(figure_only(4, f"{what}, location stream included", included, "x"))
        else:
            claims.append(figure_only(4, f"{what}, {row['precision']}", value, "x"))
    return claims
