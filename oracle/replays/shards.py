"""A replay in parts, on a pool: periods, and in a period groups of products that share nothing.

Each part is one job that carries all it needs: a period's views, the stock at its start and the
systems' tables. Any ``concurrent.futures.Executor`` runs it: threads or processes of this machine,
or those that MPI, Dask or Ray offer on many. What comes out is bit for bit what one loop finds.
"""

from __future__ import annotations

from concurrent.futures import Executor, Future
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from draingym.common.arrays import IntArray
from draingym.oracle.fulfilment.period import PeriodOutcome, drain_period
from draingym.oracle.replays.setting import ReplaySetting
from draingym.oracle.systems import Systems
from draingym.world.views import Views


class Shards:
    """Runs the periods of a replay on a pool.

    Stock is handed over from period to period by whoever calls ``serve``. Where it is known for all
    of them, ``ahead`` begins them all at once.
    """

    def __init__(
        self, setting: ReplaySetting, views: Views, pool: Executor, seed: int, groups: int
    ) -> None:
        """Cut the products into groups.

        Args:
            setting: What is replayed.
            views: With latents.
            pool: What runs the parts.
            seed: Of the noise of costs.
            groups: Groups of products, at most; see ``groups_of``.
        """
        self._setting, self._views, self._pool, self._seed = setting, views, pool, seed
        self._group = groups_of(views, setting.systems, groups)
        self._begun: dict[int, list[tuple[IntArray, Future[PeriodOutcome]]]] = {}

    def ahead(self, period: int, available: IntArray) -> None:
        """Begin a period whose stock [P, N] is known."""
        views, first = self._views, int(self._views.offsets[period])
        here = views.periods(period, period + 1)
        group = self._group[here.product]
        systems = self._setting.systems_in(period)
        self._begun[period] = []
        for which in np.unique(group) if group.size else [0]:
            mine = group == which
            job = self._pool.submit(
                _drain, systems, here.select(mine), period, available, self._seed
            )
            self._begun[period].append((first + np.flatnonzero(mine), job))

    def serve(self, period: int, available: IntArray) -> PeriodOutcome:
        """Return what happens in a period on a stock [P, N]: the one of ``ahead``, if called."""
        if period not in self._begun:
            self.ahead(period, available)
        parts = [(at, job.result()) for at, job in self._begun.pop(period)]
        return _joined(parts, int(self._views.offsets[period]), available)


def groups_of(views: Views, systems: Systems, most: int) -> IntArray:
    """Return [P] a group for each product, so that no two groups have anything in common.

    Products of one basket share its boxes, and all products share a node's capacity by day: where
    there is one, all are one group.

    Args:
        views: With latents; those that want no unit put nothing into a box.
        systems: Of the replay.
        most: Groups, at most; they have about as many views each.
    """
    products = systems.num_products
    if most < 2 or np.isfinite(systems.daily_capacity[systems.serves]).any():
        return np.zeros(products, np.int64)
    wants = views.quantity > 0
    product, session = views.product[wants], views.session[wants]
    basket = np.flatnonzero(session[1:] == session[:-1])
    links = coo_array(
        (np.ones(basket.size), (product[basket], product[basket + 1])), shape=(products, products)
    )
    number, part = connected_components(links, directed=False)
    size = np.bincount(part, weights=np.bincount(views.product, minlength=products))
    group, load = np.zeros(number, np.int64), np.zeros(min(most, number))
    for which in np.argsort(-size, kind="stable"):  # the largest first, to the least busy
        group[which] = int(load.argmin())
        load[group[which]] += size[which]
    found: IntArray = group[part]
    return found


def _drain(
    systems: Systems, views: Views, period: int, available: IntArray, seed: int
) -> PeriodOutcome:
    """Run one period's views; they count from 0."""
    offsets = np.zeros(period + 2, np.int64)
    offsets[-1] = views.num_views
    columns = {f.name: getattr(views, f.name) for f in fields(views) if f.name != "offsets"}
    return drain_period(systems, Views(**columns, offsets=offsets), period, available, seed=seed)


def _joined(
    parts: list[tuple[IntArray, PeriodOutcome]], first: int, available: IntArray
) -> PeriodOutcome:
    """Return the outcome of a period whose views, at these positions, ran in parts."""
    outcomes = [outcome for _, outcome in parts]

    def total(name: str) -> NDArray[Any]:
        added: NDArray[Any] = np.sum([getattr(o, name) for o in outcomes], axis=0)
        return added

    def joined(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(o, name) for o in outcomes])

    place = np.concatenate([at for at, _ in parts]) - first
    by_view = {}
    for name in ("promise", "option", "filled"):
        values = joined(name)
        by_view[name] = np.empty_like(values)
        by_view[name][place] = values
    view = np.concatenate([at[o.shipment_view] for at, o in parts])
    order = np.argsort(view, kind="stable")  # the lines of a view are of one part
    before = np.cumsum([0, *(o.box_node.size for o in outcomes)])
    box = np.concatenate([o.shipment_box + b for o, b in zip(outcomes, before[:-1], strict=True)])
    # Boxes are numbered as they are opened.
    _, opened, new = np.unique(box[order], return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(opened))
    by_shipment = {
        name: joined(name)[order]
        for name in ("shipment_node", "shipment_units", "shipment_cost", "shipment_time")
    }
    by_box = {}
    for name in ("box_node", "box_zone", "box_weight_lb", "box_units", "box_cost", "box_session"):
        values = joined(name)
        by_box[name] = np.empty_like(values)
        by_box[name][rank] = values
    outbound = total("outbound")
    return PeriodOutcome(
        first_view=first,
        stock=available - outbound,
        outbound=outbound,
        ship_cost=total("ship_cost"),
        lost=total("lost"),
        shipment_view=view[order],
        shipment_box=rank[new],
        **by_view,
        **by_shipment,
        **by_box,
    )
