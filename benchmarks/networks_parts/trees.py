"""What a described network costs beside the same tree made by hand, timed in turn."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import jax

from benchmarks._common import timed
from benchmarks.throughput_parts.lines_and_trees import Fixed
from draingym import Arc, Network, Node, Normal, batch_returns, jit, serial_line

BATCH, PERIODS = 1024, 100
LEADS, HOLDING, UNMET = (2, 4, 3, 4), (0.1, 0.2, 0.5, 1.0), 9.0
MEAN = 5.0  # units that customers want a period, and that every node requests


def line() -> Network:
    """Return the four-stage line of the literature on learned policies, described."""
    names = ["1", "2", "3", "store"]
    return Network(
        nodes=[
            Node(
                name,
                holding_cost=cost,
                unmet_cost=UNMET if name == "store" else 0.0,
                backlog=name == "store",
            )
            for name, cost in zip(names, HOLDING, strict=True)
        ],
        arcs=[
            Arc(source, target, lead_time=lead)
            for source, target, lead in zip([None, *names], names, LEADS, strict=False)
        ],
        demand={"store": Normal(means=(MEAN,), sds=(2.0,))},
        arrivals="before shipping",
    )


def rows(folder: Path | None, repeats: int) -> list[dict[str, Any]]:
    """Return steps a second of the line as a tree and as a network.

    Args:
        folder: There are no peers in this.
        repeats: Calls of each that are timed.
    """
    del folder
    built = line().built
    simulator, params, sample = serial_line(
        lead_times=LEADS, holding_cost=HOLDING, unmet_cost=UNMET
    )
    ways = {
        "tree": (simulator, params, sample(jax.random.key(0), PERIODS, BATCH)),
        "network": (built.simulator, built.params, built.sample(jax.random.key(0), PERIODS, BATCH)),
    }
    policy = Fixed(units=MEAN)
    runs = {
        name: partial(jit(partial(batch_returns, made, held, policy, None)), scenario)
        for name, (made, held, scenario) in ways.items()
    }
    steps = BATCH * PERIODS
    return [
        {"line as": name, "batch": BATCH, "M steps/s": steps / seconds / 1e6}
        for name, (seconds, _) in timed(runs, repeats).items()
    ]
