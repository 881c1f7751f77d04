"""Episodes of a network: where they start, and everything random and exogenous in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from draingym.networks.ages import AgeOdds
from draingym.networks.amounts import Amount
from draingym.networks.description import Arc
from draingym.networks.plan import Plan
from draingym.networks.tables import (
    Numbers,
    columns,
    drawn_ages,
    first,
    life,
    longest_delay,
    longest_lead,
    real,
    selling,
    varies,
)
from draingym.simulator import HISTORY_LENGTH, History, Initial, Scenario, Series, Terms
from draingym.simulator.precision import uniform
from draingym.simulator.scenarios.forecasts import running_mean
from draingym.simulator.scenarios.noise import sample_lead_share


def _initial(network: Plan) -> Initial:
    """Return where every episode starts."""
    nodes, arcs = network.nodes, network.arcs
    longest, depth = longest_lead(network), longest_delay(network)
    rows = longest + any(arc.stands for arc in arcs)  # what stands needs a place before the first
    pipeline, queue = np.zeros((rows, len(arcs))), np.zeros((depth, len(arcs)))
    for e, arc in enumerate(arcs):
        pipeline[: len(arc.in_transit), e] = arc.in_transit
        queue[: len(arc.on_order), e] = arc.on_order
    ages = None
    if life(network):
        table = np.zeros((life(network), len(nodes)))
        for n, (node, row) in enumerate(zip(nodes, first(network), strict=True)):
            given = (node.on_hand,) if node.ages is None else node.ages
            table[row : row + len(given), n] = given
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
            waiting=real(waiting) if waiting.any() else None,
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
    return real(columns(said, periods) * open_now)


def _age_share(network: Plan, periods: int) -> Any:
    """Return the share of arrivals by age, [T, E, A]; None where all are the youngest.

    It is 0 on arcs whose ages are drawn.
    """
    if all(arc.ages is None for arc in network.arcs):
        return None
    rows_of = first(network)
    table = np.zeros((periods, len(network.arcs), life(network)))
    for e, arc in enumerate(network.arcs):
        if isinstance(arc.ages, AgeOdds):
            continue
        rows: Any = ((1.0,),) if arc.ages is None else arc.ages
        start = rows_of[network.index[arc.target]]
        for t in range(periods):
            shares = rows[t % len(rows)]
            table[t, e, start : start + len(shares)] = shares
    return real(table)


def _age_uniform(network: Plan, key: Array, periods: int, batch: tuple[int, ...]) -> Any:
    """Return a uniform of each unit whose age is drawn, [T, D, M]; None where there are none."""
    odds = drawn_ages(network)
    if not odds:
        return None
    most = max(each.most for each in odds.values())
    return uniform(key, (periods, len(odds), most, *batch))


def _lead(arc: Arc, leads: int, periods: int) -> Numbers:
    """Return probabilities of lead times, [T, L+1]."""
    table = np.zeros((periods, leads + 1))
    if isinstance(arc.lead_time, Mapping):
        for lead, share in arc.lead_time.items():
            table[:, lead] = share
    else:
        table[np.arange(periods), np.resize(np.atleast_1d(arc.lead_time), periods)] = 1.0
    return table


def sampler(network: Plan, terms: Callable[[int], Terms]) -> Callable[..., Scenario]:
    """Return ``sample(key, periods, batch=None)``; with a batch, it is the last axis of draws."""
    return partial(_sample, network, terms, _initial(network))


def _sample(
    network: Plan,
    terms: Callable[[int], Terms],
    initial: Initial,
    key: Array,
    periods: int,
    batch: int | None = None,
) -> Scenario:
    """Draw a scenario; see ``sampler``."""
    sells = selling(network)
    sellers = np.array([n for n, node in enumerate(network.nodes) if node.name in sells], np.int32)
    places = [sells[network.nodes[n].name] for n in sellers]
    means = _means(network)
    leads, changes = longest_lead(network), varies(network)
    random_lead = any(not isinstance(arc.lead_time, int | tuple) for arc in network.arcs)
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
                rows if batch is None else jnp.broadcast_to(rows[..., None], (*rows.shape, batch))
            )
    views = jnp.stack([drawn[name][:, i] for name, i in places], axis=1)
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
    by_period = terms(periods) if changes else None
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
        shown=jnp.zeros((periods, nodes, *last)).at[:, sellers].set(views)
        if network.sees_demand
        else None,
        lead_share=lead_share,
        round_uniform=uniform(key_round, whole) if network.whole_units else jnp.zeros(whole),
        drain_uniform=jnp.zeros((periods, 0)),
        fill_rate=_fill(network, periods),
        age_share=_age_share(network, periods),
        age_uniform=_age_uniform(network, jax.random.fold_in(key_round, 1), periods, last),
    )
    return Scenario(initial=initial, series=series)


def _means(network: Plan) -> dict[str, float | None]:
    """Return the mean demand of each selling node, in the order of nodes; None is not known."""
    sells = selling(network)
    found: dict[str, float | None] = {}
    for node in network.nodes:
        if node.name in sells:
            key, i = sells[node.name]
            what = network.demand[key]
            found[node.name] = float(what.mean[i]) if hasattr(what, "mean") else None
    return found
