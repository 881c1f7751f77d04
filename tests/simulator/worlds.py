"""Small trees for the tests of the simulator, and its dynamics written slowly in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np

from simulator import LocalDemand, LocalDemandParams, Simulator, make_params, scenario_from_views

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
    return Simulator(kernel=LocalDemand(backlog=backlog), whole_units=whole_units), params


def tree_scenario(parent, demand, lead_time, seed, **options):
    """A scenario whose calendar is the period's number, for ``Requests``."""
    scenario = scenario_from_views(demand, lead_time, jax.random.key(seed), **options)
    calendar = jnp.arange(len(demand), dtype=jnp.float32)[:, None]
    from dataclasses import replace

    return replace(scenario, series=replace(scenario.series, calendar=calendar))


def reference_step(params, on_hand, pipeline, waiting, request, series, backlog, whole_units):
    """One period, node by node, in plain Python: the order of events of ``dynamics``."""
    parent = np.asarray(params.parent)
    nodes = len(parent)
    request = np.maximum(np.asarray(request, np.float64), 0)
    shipped = np.zeros(nodes)
    for owner in range(-1, nodes):
        children = [n for n in range(nodes) if parent[n] == owner]
        asked = sum(request[n] for n in children)
        stock = np.inf if owner < 0 else on_hand[owner]
        fill = 1.0 if asked <= stock else stock / asked
        cumulated, sent = 0.0, 0.0
        for n in children:
            amount = request[n] * fill
            if whole_units:
                cumulated += amount
                upto = min(np.floor(cumulated + float(series.round_uniform[owner])), stock)
                shipped[n], sent = upto - sent, upto
            else:
                shipped[n] = amount
    transferred = np.array(
        [sum(shipped[n] for n in range(nodes) if parent[n] == o) for o in range(nodes)]
    )
    lead_share = np.asarray(series.lead_share)
    transit = np.vstack([pipeline, np.zeros((1, nodes))])
    for n in range(nodes):
        for k in range(lead_share.shape[1]):
            transit[k, n] += lead_share[n, k] * shipped[n]
    stowed = transit[0]
    available = on_hand - transferred + stowed
    demand = np.asarray(params.kernel.share) @ np.asarray(series.glance_views)
    need = demand + (waiting if backlog else 0)
    outbound = np.minimum(need, available)
    return {
        "shipped": shipped,
        "transferred": transferred,
        "stowed": stowed,
        "available": available,
        "outbound": outbound,
        "on_hand": available - outbound,
        "lost": np.zeros(nodes) if backlog else need - outbound,
        "waiting": need - outbound if backlog else np.zeros(nodes),
    }, transit[1:]
