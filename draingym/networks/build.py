"""From a description in plain values to the simulator's arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from numpy.typing import NDArray

from draingym.networks.description import Amount, Arc
from draingym.networks.plan import Plan
from draingym.simulator import (
    HISTORY_LENGTH,
    Assembly,
    Dynamics,
    History,
    Initial,
    LocalDemand,
    LocalDemandParams,
    Params,
    Perishable,
    Scenario,
    Series,
    Simulator,
    Storage,
    Terms,
)
from draingym.simulator.precision import uniform
from draingym.simulator.scenarios.forecasts import running_mean
from draingym.simulator.scenarios.noise import sample_lead_share

Numbers = NDArray[np.float64]


def real(values: Any) -> Array:
    """Return numbers, in a list or an array, as the simulator's reals."""
    return jnp.asarray(values, float)


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
    index = {node.name: n for n, node in enumerate(nodes)}
    source = np.array([-1 if arc.source is None else index[arc.source] for arc in arcs], np.int32)
    target = np.array([index[arc.target] for arc in arcs], np.int32)
    regions = [n for n, node in enumerate(nodes) if node.name in _selling(network)]
    share = np.zeros((len(nodes), len(regions)))
    share[regions, np.arange(len(regions))] = 1.0
    waits = np.array([node.backlog for node in nodes])
    kernel = LocalDemandParams(
        share=real(share),
        unit_ship_cost=jnp.zeros(len(nodes)),
        waits=jnp.asarray(waits) if waits.any() and not waits.all() else None,
        substitute=_substitute(network, index),
    )
    zero = jnp.zeros(len(nodes))
    terms = _terms(network)
    transit = np.array([arc.transit_cost for arc in arcs])
    depth = max([arc.delay for arc in arcs], default=0)
    params = Params(
        source=jnp.asarray(source),
        target=jnp.asarray(target),
        serves=jnp.asarray(np.isin(np.arange(len(nodes)), regions)),
        active_from=jnp.zeros(len(nodes), jnp.int32),
        holding_cost=real([node.holding_cost for node in nodes]),
        holding_rate=zero,
        transfer_cost=jnp.zeros(len(arcs)),
        unmet_cost=zero,
        salvage_rate=jnp.zeros(()),
        discount=real(network.discount),
        kernel=kernel,
        transit_cost=real(transit) if transit.any() else None,
        rank=real([i if arc.rank is None else arc.rank for i, arc in enumerate(arcs)]),
        terms=None if varies(network) else jax.tree.map(lambda leaf: real(leaf[0]), terms(1)),
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
        simulator=Simulator(kernel=LocalDemand(backlog=bool(waits.any())), dynamics=dynamics),
        params=params,
        most=_most(network, index),
        sample=_sampler(network, share, terms, index),
    )


def _substitute(network: Plan, index: dict[str, int]) -> Array | None:
    """Return who takes what instead, [N, N]; None where nobody does."""
    if not any(node.substitutes for node in network.nodes):
        return None
    share = np.zeros((len(index), len(index)))
    for node in network.nodes:
        for other, part in (node.substitutes or {}).items():
            share[index[other], index[node.name]] = part
    return real(share)


def _selling(network: Plan) -> dict[str, tuple[Any, int]]:
    """Return the demand of each selling node, and its place in it."""
    found: dict[str, tuple[Any, int]] = {}
    for key in network.demand:
        for i, name in enumerate(key if isinstance(key, tuple) else (key,)):
            found[name] = (key, i)
    return found


# Fields of terms, where they are described, and what stands for None.
_ARC_TERMS = {
    "request_limit": ("request_limit", np.inf),
    "minimum": ("minimum", 0.0),
    "batch": ("batch", 0.0),
    "ship_limit": ("ship_limit", np.inf),
    "leave_limit": ("leave_limit", np.inf),
    "stands": ("stands", 0.0),
    "receive_limit": ("receive_limit", np.inf),
    "request_cost": ("request_cost", 0.0),
    "request_fee": ("request_fee", 0.0),
    "ship_cost": ("ship_cost", 0.0),
    "ship_fee": ("ship_fee", 0.0),
    "receive_cost": ("receive_cost", 0.0),
    "transfer_price": ("price", 0.0),
    "short_cost": ("short_cost", 0.0),
    "dock_cost": ("dock_cost", 0.0),
}
_NODE_TERMS = {
    "source_limit": ("ship_limit", np.inf),
    "yields": ("yields", 1.0),
    "refuse_cost": ("refuse_cost", 0.0),
    "waste_cost": ("waste_cost", 0.0),
    "sale_price": ("price", 0.0),
    "unmet_price": ("unmet_cost", 0.0),
    "salvage": ("salvage", 0.0),
}


def _described(network: Plan) -> dict[str, list[Amount]]:
    """Return what the terms say of each arc or node; fields that say nothing are left out."""
    found: dict[str, list[Amount]] = {}
    for table, owners in ((_ARC_TERMS, network.arcs), (_NODE_TERMS, network.nodes)):
        for term, (name, none) in table.items():
            values = [getattr(owner, name) for owner in owners]
            said = [none if value is None else value for value in values]
            if any(value != none for value in said):
                found[term] = said
    return found


def varies(network: Plan) -> bool:
    """Return whether any amount differs from period to period."""
    return any(isinstance(value, tuple) for said in _described(network).values() for value in said)


def _terms(network: Plan) -> Callable[[int], Terms]:
    """Return a function of the periods that gives the terms, leaves [T, ...]."""
    described = _described(network)

    def terms(periods: int) -> Terms:
        return Terms(**{name: _columns(said, periods) for name, said in described.items()})

    return terms


def _columns(said: list[Amount], periods: int) -> Any:
    """Return amounts as [T, entries]; lists start again when they end."""
    return np.stack([np.resize(np.atleast_1d(value), periods) for value in said], axis=1)


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


def _life(network: Plan) -> int:
    """Return the longest shelf life; 0 where nothing ages."""
    return max(node.shelf_life or 0 for node in network.nodes)


def _first(network: Plan) -> list[int]:
    """Return the row of each node's youngest units: rows end with the last period of its life."""
    longest = _life(network)
    return [0 if node.shelf_life is None else longest - node.shelf_life for node in network.nodes]


def _perishable(network: Plan) -> Perishable | None:
    if not _life(network):
        return None
    limits = [np.inf if node.class_limit is None else node.class_limit for node in network.nodes]
    return Perishable(
        first=jnp.asarray(_first(network), jnp.int32),
        lifo=jnp.asarray([node.lifo for node in network.nodes]),
        perishes=jnp.asarray([node.shelf_life is not None for node in network.nodes]),
        class_limit=None if np.isinf(limits).all() else real(limits),
    )


def _assembly(network: Plan) -> Assembly | None:
    if all(arc.needs is None for arc in network.arcs):
        return None
    return Assembly(needs=real([arc.needs or 0.0 for arc in network.arcs]))


def _leads(network: Plan) -> int:
    """Return how many periods ahead anything is in transit."""
    return max([max(arc.longest_lead, len(arc.in_transit)) for arc in network.arcs], default=0)


def _initial(network: Plan, index: dict[str, int]) -> Initial:
    """Return where every episode starts."""
    nodes, arcs = network.nodes, network.arcs
    leads, depth = _leads(network), max([arc.delay for arc in arcs], default=0)
    rows = leads + any(arc.stands for arc in arcs)  # what stands needs a place before the first
    pipeline, queue = np.zeros((rows, len(arcs))), np.zeros((depth, len(arcs)))
    for e, arc in enumerate(arcs):
        pipeline[: len(arc.in_transit), e] = arc.in_transit
        queue[: len(arc.on_order), e] = arc.on_order
    ages = None
    if _life(network):
        table = np.zeros((_life(network), len(nodes)))
        for n, (node, first) in enumerate(zip(nodes, _first(network), strict=True)):
            given = (node.on_hand,) if node.ages is None else node.ages
            table[first : first + len(given), n] = given
        ages = real(table)
    none = jnp.zeros((HISTORY_LENGTH, len(nodes)))
    waiting = np.array([node.waiting for node in nodes])
    owed = np.array([arc.owed for arc in arcs])
    return Initial(
        on_hand=real([node.on_hand for node in nodes]),
        pipeline=real(pipeline),
        history=History(
            outbound=none,
            ship_cost=none,
            available=none,
            waiting=real(waiting) if any(node.backlog for node in nodes) else None,
        ),
        owed=real(owed) if network.backorders else None,
        ages=ages,
        queue=real(queue) if depth else None,
    )


def _fill(network: Plan, periods: int) -> Any:
    """Return the share of requests accepted, [T, E]; None where it is always all."""
    said: list[Amount] = [arc.accepts for arc in network.arcs]
    review = np.array([arc.review for arc in network.arcs])
    if all(share == 1.0 for share in said) and (review == 1).all():
        return None
    open_now = np.arange(periods)[:, None] % review[None, :] == 0
    return real(_columns(said, periods) * open_now)


def _age_share(network: Plan, index: dict[str, int], periods: int) -> Any:
    """Return the share of arrivals by age, [T, E, A]; None where all are the youngest."""
    if all(arc.ages is None for arc in network.arcs):
        return None
    first = _first(network)
    table = np.zeros((periods, len(network.arcs), _life(network)))
    for e, arc in enumerate(network.arcs):
        rows = ((1.0,),) if arc.ages is None else arc.ages
        start = first[index[arc.target]]
        for t in range(periods):
            shares = rows[t % len(rows)]
            table[t, e, start : start + len(shares)] = shares
    return real(table)


def _lead(arc: Arc, leads: int, periods: int) -> Numbers:
    """Return probabilities of lead times, [T, L+1]."""
    table = np.zeros((periods, leads + 1))
    if isinstance(arc.lead_time, Mapping):
        for lead, share in arc.lead_time.items():
            table[:, lead] = share
    else:
        table[np.arange(periods), np.resize(np.atleast_1d(arc.lead_time), periods)] = 1.0
    return table


def _sampler(
    network: Plan, share: Numbers, terms: Callable[[int], Terms], index: dict[str, int]
) -> Callable[..., Scenario]:
    """Return ``sample(key, periods, batch=None)``; with a batch, it is the last axis of draws."""
    initial = _initial(network, index)
    selling = _selling(network)
    columns = [selling[node.name] for node in network.nodes if node.name in selling]
    means = _means(network)
    leads = _leads(network)
    random_lead = any(not isinstance(arc.lead_time, int | tuple) for arc in network.arcs)

    def sample(key: Array, periods: int, batch: int | None = None) -> Scenario:
        key_demand, key_lead, key_round = jax.random.split(key, 3)
        last = () if batch is None else (batch,)
        drawn: dict[Any, Array] = {}
        for i, (name, what) in enumerate(network.demand.items()):
            if hasattr(what, "sample"):
                shape = (periods, what.regions, *last)
                drawn[name] = what.sample(jax.random.fold_in(key_demand, i), shape)
            else:
                table = np.asarray(what, np.float64)
                table = table.reshape(len(table), -1)
                rows = real(table[np.arange(periods) % len(table)])
                drawn[name] = (
                    rows
                    if batch is None
                    else jnp.broadcast_to(rows[..., None], (*rows.shape, batch))
                )
        views = jnp.stack([drawn[name][:, i] for name, i in columns], axis=1)
        known = np.array([np.nan if mean is None else mean for mean in means.values()])
        if np.isnan(known).any():
            forecast = running_mean(views)
            mean = real(np.nan_to_num(known)).reshape(1, -1, *(1 for _ in last))
            is_known = jnp.asarray(~np.isnan(known)).reshape(mean.shape)
            forecast = jnp.where(is_known, mean, forecast)
        else:
            forecast = jnp.broadcast_to(real(known)[None, :], (periods, len(known)))
        pmf = np.stack([_lead(arc, leads, periods) for arc in network.arcs], axis=1)
        if random_lead:
            keys = jax.random.split(key_lead, (*(last or (1,)), periods))
            draw = jax.vmap(partial(sample_lead_share, shape=()))
            lead_share = jax.vmap(draw, in_axes=(0, None))(keys, jnp.asarray(pmf, jnp.float32))
            lead_share = real(lead_share[0] if batch is None else jnp.moveaxis(lead_share, 0, -1))
        else:
            lead_share = real(pmf)
        nodes = len(network.nodes)
        whole = (periods, nodes, *last) if network.whole_units else (periods, nodes)
        period = jnp.arange(periods, dtype=jnp.int32)
        none = jnp.zeros(periods)
        by_period = terms(periods) if varies(network) else None
        series = Series(
            period=period,
            glance_views=views,
            forecast=forecast,
            price=none,
            unit_cost=none,
            attributes=jnp.zeros((periods, 0)),
            calendar=jnp.zeros((periods, 0)),
            last=period == periods - 1,
            terms=None if by_period is None else jax.tree.map(real, by_period),
            shown=jnp.einsum("nz,tz...->tn...", real(share), views)
            if network.sees_demand
            else None,
            lead_share=lead_share,
            round_uniform=uniform(key_round, whole) if network.whole_units else jnp.zeros(whole),
            drain_uniform=jnp.zeros((periods, 0)),
            fill_rate=_fill(network, periods),
            age_share=_age_share(network, index, periods),
        )
        return Scenario(initial=initial, series=series)

    return sample


def _means(network: Plan) -> dict[str, float | None]:
    """Return the mean demand of each selling node, in the order of nodes; None is not known."""
    selling = _selling(network)
    found: dict[str, float | None] = {}
    for node in network.nodes:
        if node.name in selling:
            key, i = selling[node.name]
            what = network.demand[key]
            found[node.name] = float(what.mean[i]) if hasattr(what, "mean") else None
    return found


def downstream(network: Plan) -> Numbers:
    """Return [N] the mean demand of each node and of all that it feeds, units a period."""
    index = {node.name: n for n, node in enumerate(network.nodes)}
    demand = np.zeros(len(network.nodes))
    for name, (key, i) in _selling(network).items():
        what = network.demand[key]
        if hasattr(what, "mean"):
            demand[index[name]] = what.mean[i]
        else:
            table = np.asarray(what, np.float64)
            demand[index[name]] = np.abs(table.reshape(len(table), -1)[:, i]).mean()
    below, known = demand, np.full_like(demand, np.nan)
    while not np.array_equal(below, known):  # a level further with every turn: there is no circle
        known, below = below, demand.copy()
        for arc in network.arcs:
            if arc.source is not None:
                units = known[index[arc.target]] * (arc.needs or 1.0)
                below[index[arc.source]] += units / network.nodes[index[arc.source]].yields
    return below


def _most(network: Plan, index: dict[str, int]) -> Numbers:
    """Return what an action of 1 requests: four times the mean demand downstream, or as told."""
    below = downstream(network)
    most = []
    for arc in network.arcs:
        usual = max(4.0 * below[index[arc.target]] * (arc.needs or 1.0), 1.0)
        limit = np.inf if arc.request_limit is None else float(np.max(arc.request_limit))
        most.append(arc.most if arc.most is not None else max(min(usual, limit), 1e-6))
    return np.array(most)
