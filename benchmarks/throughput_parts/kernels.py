"""Rollouts of the learned drain kernel, in product-periods a second."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks._common import timed
from benchmarks.drain_parts.rollouts import NODES, REGIONS, Rollouts
from benchmarks.throughput_parts.speeds import Row
from draingym.drain_model import PRESETS


def kernel_rows() -> list[Row]:
    """Return rollouts of the learned kernel, in product-periods a second."""
    rows = []
    for preset, products in (("small", 16), ("paper", 4)):
        rollouts = Rollouts.of(PRESETS[preset], products, 26, seed=0)
        prepare, forward = (rollouts.compiled(kind) for kind in ("prepare", "forward"))
        gradient = rollouts.compiled("remat")
        exogenous = prepare(rollouts.params)
        called = (rollouts.params, exogenous, rollouts.arrivals)
        functions: dict[str, Callable[[], Any]] = {
            "forward": partial(forward, *called),
            "gradient": partial(gradient, *called),
            "location stream": partial(prepare, rollouts.params),
        }
        steps = products * rollouts.arrivals.shape[1]
        for name, (wall, _) in timed(functions, 5).items():
            rows.append(
                {
                    "learned kernel": f"{preset}, {name}",
                    "products": products,
                    "product-periods/s": steps / wall,
                    "nodes": NODES,
                    "regions": REGIONS,
                }
            )
    return rows
