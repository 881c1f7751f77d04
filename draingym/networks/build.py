"""From a description in plain values to the simulator's arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from draingym.networks.plan import Plan
from draingym.networks.sampling import sampler
from draingym.networks.tables import (
    Numbers,
    drawn_ages,
    first,
    fixed,
    life,
    longest_delay,
    most,
    real,
    selling,
    terms_by_period,
    varies,
)
from draingym.simulator import (
    Assembly,
    DrawnAges,
    Dynamics,
    LocalDemand,
    LocalDemandParams,
    Params,
    Perishable,
    Scenario,
    Simulator,
    Storage,
)

_NEVER = -1e30  # log odds of an age that does not occur


@dataclass(frozen=True, kw_only=True)
class Built:
    """A network as the simulator has it."""

    simulator: Simulator
    params: Params
    most: Numbers  # [E] units requested by an action of 1
    sample: Callable[..., Scenario]  # (key, periods, batch=None), as for classic problems


def build(network: Plan) -> Built:
    """Return the simulator, its parameters and a sampler of scenarios of a network."""
    nodes, arcs = network.nodes, network.arcs
    index = network.index
    source = np.array([-1 if arc.source is None else index[arc.source] for arc in arcs], np.int32)
    target = np.array([index[arc.target] for arc in arcs], np.int32)
    sells = selling(network)
    regions = [n for n, node in enumerate(nodes) if node.name in sells]
    waits = np.array([node.backlog for node in nodes])
    sorts = set(waits[regions].tolist())  # of nodes that sell: the others have nothing to wait for
    kernel = LocalDemandParams(
        share=jax.device_put(np.array(regions, np.int32)),
        unit_ship_cost=jnp.zeros(len(nodes)),
        waits=jax.device_put(waits) if len(sorts) > 1 else None,
        substitute=_substitute(network),
    )
    zero = jnp.zeros(len(nodes))
    by_period = terms_by_period(network)
    depth = longest_delay(network)
    # Where arc n replenishes node n, after its source, there is nothing to look up, or to add.
    number = np.arange(len(nodes))
    is_tree = np.array_equal(target, number) and bool((source < number).all())
    unmet = fixed([node.unmet_cost for node in nodes])
    holding = fixed([node.holding_cost for node in nodes])
    transit = fixed([arc.transit_cost for arc in arcs])
    params = Params(
        source=jax.device_put(source),
        target=None if is_tree else jax.device_put(target),
        serves=jax.device_put(np.isin(np.arange(len(nodes)), regions)),
        active_from=jnp.zeros(len(nodes), jnp.int32),
        holding_cost=zero if holding is None else real(holding),
        holding_rate=zero,
        transfer_cost=jnp.zeros(len(arcs)),
        unmet_cost=zero if unmet is None else real(unmet),
        salvage_rate=jnp.zeros(()),
        discount=real(network.discount),
        kernel=kernel,
        transit_cost=real(transit) if transit and any(transit) else None,
        rank=real([i if arc.rank is None else arc.rank for i, arc in enumerate(arcs)])
        if network.rationing == "rank"
        else None,
        terms=None if varies(network) else jax.tree.map(lambda leaf: real(leaf[0]), by_period(1)),
        storage=_storage(network),
        perishable=_perishable(network),
        assembly=_assembly(network),
        delay=real(np.eye(depth + 1)[:, [arc.delay for arc in arcs]]) if depth else None,
    )
    dynamics = Dynamics(
        whole_units=network.whole_units,
        hold_requests=network.backorders,
        ship_arrivals=network.arrivals == "before shipping",
        late_arrivals=network.arrivals == "end",
        passes=network.passes,
        by_rank=network.rationing == "rank",
        rounding=network.rounding,
        send_back=network.send_back,
    )
    return Built(
        simulator=Simulator(
            kernel=LocalDemand(
                backlog=True in sorts, ties="by path" if network.whole_units else "demand"
            ),
            dynamics=dynamics,
        ),
        params=params,
        most=most(network),
        sample=sampler(network, by_period),
    )


def _substitute(network: Plan) -> Array | None:
    """Return who takes what instead, [N, N]; None where nobody does."""
    if not any(node.substitutes for node in network.nodes):
        return None
    index = network.index
    share = np.zeros((len(index), len(index)))
    for node in network.nodes:
        for other, part in (node.substitutes or {}).items():
            share[index[other], index[node.name]] = part
    return real(share)


def _storage(network: Plan) -> Storage | None:
    if not any(node.store for node in network.nodes):
        return None
    index = {store.name: g for g, store in enumerate(network.stores)}
    return Storage(
        group=jnp.asarray(
            [-1 if node.store is None else index[node.store] for node in network.nodes], jnp.int32
        ),
        volume=real([node.volume for node in network.nodes]),
        room=real([store.room for store in network.stores]),
    )


def _perishable(network: Plan) -> Perishable | None:
    if not life(network):
        return None
    limits = [np.inf if node.class_limit is None else node.class_limit for node in network.nodes]
    return Perishable(
        first=jnp.asarray(first(network), jnp.int32),
        lifo=jnp.asarray([node.lifo for node in network.nodes]),
        perishes=jnp.asarray([node.shelf_life is not None for node in network.nodes]),
        class_limit=None if np.isinf(limits).all() else real(limits),
        drawn=_drawn(network),
    )


def _drawn(network: Plan) -> DrawnAges | None:
    odds = drawn_ages(network)
    if not odds:
        return None
    rows_of = first(network)
    intercept = np.full((len(odds), life(network)), _NEVER)
    slope = np.zeros_like(intercept)
    for d, (e, each) in enumerate(odds.items()):
        start = rows_of[network.index[network.arcs[e].target]]
        rows = slice(start, start + len(each.intercepts))
        intercept[d, rows] = each.intercepts
        slope[d, rows] = 0.0 if each.slopes is None else each.slopes
    return DrawnAges(
        arc=jnp.asarray(list(odds), jnp.int32), intercept=real(intercept), slope=real(slope)
    )


def _assembly(network: Plan) -> Assembly | None:
    if all(arc.needs is None for arc in network.arcs):
        return None
    return Assembly(needs=real([arc.needs or 0.0 for arc in network.arcs]))
