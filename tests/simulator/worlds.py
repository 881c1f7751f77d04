"""Small trees for the tests of the simulator."""

import jax
import jax.numpy as jnp
import numpy as np

from draingym.simulator import (
    Dynamics,
    LocalDemand,
    LocalDemandParams,
    Simulator,
    State,
    make_params,
    observe,
    scenario_from_views,
)

TREES = {
    "one store": [-1],
    "serial": [-1, 0, 1],
    "warehouse and stores": [-1, 0, 0, 0],
    "vendor, upstream, nodes": [-1, -1, 0, 0, 1, 1],
}


class Requests:
    """A policy that plays back a table of requests [T, N], one row a period."""

    def __init__(self, table):
        """Keep the table."""
        self.table = jnp.asarray(table, jnp.float32)

    def init(self, key):
        return jnp.zeros(())

    def apply(self, params, observation, key):
        return self.table[observation.calendar[0].astype(int)]


def tree_world(parent, *, backlog=False, whole_units=True, **costs):
    """A simulator on a tree whose leaves each have their own region."""
    parent = np.asarray(parent)
    nodes = len(parent)
    leaves = np.flatnonzero(~np.isin(np.arange(nodes), parent))
    share = np.zeros((nodes, len(leaves)), np.float32)
    share[leaves, np.arange(len(leaves))] = 1.0
    kernel = LocalDemandParams(share=jnp.asarray(share), unit_ship_cost=jnp.full(nodes, 0.5))
    params = make_params(parent, kernel, **costs)
    return Simulator(
        kernel=LocalDemand(backlog=backlog), dynamics=Dynamics(whole_units=whole_units)
    ), params


def tree_scenario(parent, demand, lead_time, seed, **options):
    """A scenario whose calendar is the period's number, for ``Requests``."""
    scenario = scenario_from_views(demand, lead_time, jax.random.key(seed), **options)
    calendar = jnp.arange(len(demand), dtype=jnp.float32)[:, None]
    from dataclasses import replace

    return replace(scenario, series=replace(scenario.series, calendar=calendar))


def observations(params, series, periods):
    """What is seen in each of the first periods of a series, at the same stock."""
    params, series = jax.device_get((params, series))  # on the host, where slices cost nothing
    nodes = params.parent.shape[0]
    none = np.zeros(nodes)
    state = State(on_hand=none, pipeline=np.zeros((1, nodes)), waiting=none, memory=())
    return [
        observe(params, state, jax.tree.map(lambda leaf, t=t: leaf[t], series))
        for t in range(periods)
    ]
