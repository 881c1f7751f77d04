"""The promise of a log: how far a node reaches in a day, until when, and when it is full.

The rule is that of ``draingym.oracle.rules.promise``: the earliest delivery over open nodes that
hold the product, one day later past a cut-off hour, and one more for every daily capacity that a
node has taken in. Its numbers are those under which fewest views of the log were promised
something else. Each is found exactly, the others fixed, by sorting: first the distances that a node
reaches in 0, 1 and 2 days, then the hour, then every node's capacity; again until nothing changes.
Where a lane (node and region) keeps to no distance it gets days of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from draingym.common.arrays import BoolArray, FloatArray, IntArray
from draingym.oracle.fitting.best_cuts import cuts, threshold
from draingym.oracle.fitting.findings import Finding, finding
from draingym.oracle.fitting.shelf_history import ShelfHistory
from draingym.oracle.rules.promise import ONE_DAY, OUT_OF_STOCK, THREE_DAYS, TWO_DAYS
from draingym.world.eventlog import EventLog

SLOWEST = 3  # days that stand for three and more, which no promise tells apart
NEVER = 99  # days from a node that cannot ship
NO_CUTOFF = 24.0  # no hour of a day is as late
ROUNDS = 3
FIRST = 20_000  # views that the first guess of the hour is made on
# Fewer views than this, told right, are no reason for a number of a node's or lane's own.
FEW = 10
TWO_DAYS_SHARE = 1e-3  # of the views: where fewer were promised 2d, nobody is
LANE_SHARE = 0.05  # of a lane's views, the same


@dataclass(frozen=True, kw_only=True, slots=True)
class PromiseViews:
    """Views with what their promise may depend on. ``M`` views, ``N`` nodes."""

    promise: IntArray  # [M] index into ``world.views.PROMISES``
    hour: FloatArray  # [M] of the day
    region: IntArray  # [M]
    distance_km: FloatArray  # [M, N] from node to customer
    stocked: BoolArray  # [M, N] open nodes that hold the product
    taken: IntArray  # [M, N] units that the node has taken in that day


@dataclass(frozen=True, kw_only=True, slots=True)
class PromiseFit:
    """Numbers of the promise. ``N`` nodes, ``Z`` regions."""

    bands_km: tuple[float, float, float]  # as far as this in 0, 1, 2 days; below 0 for nowhere
    cutoff_hour: float
    two_days: bool  # whether anybody is promised 2d; two days are 3d+ where nobody is
    daily_capacity: FloatArray  # [N] units a day; infinite where no node was ever seen full
    lane_days: IntArray  # [N, Z] days of a lane of its own; -1 where distance decides
    agreement: float  # share of the views in stock that were promised what the rule says
    stock_agreement: float  # share of all views that were out of stock where the shelves say so
    findings: tuple[Finding, ...]

    def transit_days(self, distance_km: FloatArray, region: IntArray) -> IntArray:
        """Return [N, K] days from nodes to places; 3 for three and more.

        Args:
            distance_km: [N, K] km.
            region: [K] region of each place.
        """
        days = np.searchsorted(np.asarray(self.bands_km), distance_km, side="left")
        own = self.lane_days[:, region]
        return np.asarray(np.where(own >= 0, own, days), np.int64)


def promise_views(
    log: EventLog, history: ShelfHistory, *, most: int, seed: int = 0
) -> PromiseViews:
    """Return a log's views with the shelves that they met, or ``most`` of them drawn at random.

    An order without a view is left out: nobody was shown a promise, and what its row says is the
    option that was chosen.
    """
    rank = np.flatnonzero(log.array("glance_views", "seen")[history.view_row])
    if rank.size > most:
        some = np.random.default_rng([seed, 7]).choice(rank.size, most, replace=False)
        rank = rank[np.sort(some)]
    row = history.view_row[rank]
    return PromiseViews(
        promise=log.array("glance_views", "promise")[row].astype(np.int64),
        hour=history.hour(rank),
        region=history.view_region[rank],
        distance_km=history.distance_km(rank),
        stocked=(history.free_before(rank) > 0) & history.is_open[history.view_period[rank]],
        taken=history.taken_before(rank),
    )


def fit_promise(
    views: PromiseViews,
    num_regions: int,
    stated_capacity: FloatArray,
) -> PromiseFit:
    """Find the numbers of the promise under which fewest views were promised something else.

    Args:
        views: Of a log.
        num_regions: Regions, ``Z``.
        stated_capacity: [N] what the log says of nodes, units a day; stands where no node was
            seen full.

    Returns:
        Numbers, and how many views they explain.
    """
    return _Fit(views, num_regions, np.asarray(stated_capacity, np.float64)).run()


class _Fit:
    """The numbers so far, and what each view would be promised under them."""

    def __init__(self, views: PromiseViews, num_regions: int, stated: FloatArray) -> None:
        self.all, self.regions, self.stated = views, num_regions, stated
        # What is out of stock says nothing about days.
        keep = np.flatnonzero((views.promise != OUT_OF_STOCK) & views.stocked.any(axis=1))
        self.kept = keep
        self.promise, self.region = views.promise[keep], views.region[keep]
        self.hour = views.hour[keep]
        self.two_days = bool((self.promise == TWO_DAYS).sum() > TWO_DAYS_SHARE * keep.size)
        self.stocked, self.taken = views.stocked[keep], views.taken[keep]
        self.distance = np.where(self.stocked, views.distance_km[keep], np.inf)
        nodes = self.stocked.shape[1]
        self.bands: tuple[float, ...] = (-1.0, -1.0, -1.0)
        self.cutoff, self.told = NO_CUTOFF, False
        self.capacity = np.full(nodes, np.inf)
        self.lane_days = np.full((nodes, num_regions), -1, np.int64)

    # What the rule says

    def days(self) -> IntArray:
        """Return [M, N] days to delivery from each node, before the cut-off hour counts."""
        own = self.lane_days[:, self.region].T
        days = np.searchsorted(np.asarray(self.bands), self.distance, side="left")
        days = np.where(own >= 0, own, days) + self.overload()
        return np.asarray(np.where(self.stocked, days, NEVER), np.int64)

    def overload(self) -> IntArray:
        """Return [M, N] days that full nodes add."""
        return np.asarray(self.taken / self.capacity, np.int64)

    @property
    def late(self) -> IntArray:
        """[M] 1 past the cut-off hour."""
        return np.asarray(self.hour >= self.cutoff, np.int64)

    def wrong(self, days: IntArray) -> BoolArray:
        """Return [M] where a delivery in so many days is not what was promised."""
        return np.asarray(self.shown(days) != self.promise, np.bool_)

    def shown(self, days: IntArray) -> IntArray:
        """Return the promises that deliveries in so many days carry, as ``promise_class`` does."""
        found = np.clip(days - 1, ONE_DAY, THREE_DAYS)
        return found if self.two_days else np.where(found == TWO_DAYS, THREE_DAYS, found)

    # One number at a time

    def run(self) -> PromiseFit:
        """Return the numbers and what they explain."""
        if self.promise.size:
            self.start()
            for _ in range(ROUNDS):
                before = (self.bands, self.cutoff, self.capacity.tobytes())
                self.set_bands()
                self.set_cutoff()
                self.set_capacity()
                if before == (self.bands, self.cutoff, self.capacity.tobytes()):
                    break
            self.set_lanes()
        share = 1.0
        if self.promise.size:
            share = 1.0 - float(self.wrong(self.days().min(axis=1) + self.late).mean())
        empty = ~self.all.stocked.any(axis=1)
        same = float(((self.all.promise == OUT_OF_STOCK) == empty).mean()) if empty.size else 1.0
        capacity = np.where(np.isfinite(self.capacity), self.capacity, self._unseen_capacity())
        return PromiseFit(
            bands_km=(self.bands[0], self.bands[1], self.bands[2]),
            cutoff_hour=self.cutoff,
            two_days=self.two_days,
            daily_capacity=capacity,
            lane_days=self.lane_days,
            agreement=share,
            stock_agreement=same,
            findings=self.findings(share, same),
        )

    def start(self) -> None:
        """Choose the whole hour at which bands explain most: hours and bands hang together."""
        step = max(1, self.promise.size // FIRST)
        some = PromiseViews(
            **{f.name: getattr(self.all, f.name)[self.kept[::step]] for f in fields(self.all)}
        )
        few = _Fit(some, self.regions, self.stated)
        best = few.promise.size + 1
        for hour in range(25):
            few.cutoff = float(hour)
            few.set_bands()
            wrong = int(few.wrong(few.days().min(axis=1) + few.late).sum())
            if wrong < best:
                best, self.cutoff = wrong, few.cutoff

    def set_bands(self) -> None:
        """Cut the distance to the nearest stocked node into 0, 1, 2 and 3 days, exactly."""
        calm = ~((self.overload() > 0) & self.stocked).any(axis=1)
        calm = calm if calm.any() else np.ones_like(calm)
        nearest = self.distance[calm].min(axis=1)
        order = np.argsort(nearest, kind="stable")
        late = self.late[calm][order]
        days = np.arange(SLOWEST + 1)[None, :] + late[:, None]
        promise = self.promise[calm][order]
        wrong = self.shown(days) != promise[:, None]
        self.bands = cuts(nearest[order], wrong)

    def set_cutoff(self) -> None:
        """Find the hour from which a day is added."""
        days = self.days().min(axis=1)
        early, late = self.wrong(days), self.wrong(days + 1)
        hour, gain = threshold(self.hour, early, late)
        self.told = gain >= FEW
        self.cutoff = hour if self.told else NO_CUTOFF

    def set_capacity(self) -> None:
        """Find, node by node, the units a day from which the node adds a day."""
        days, over = self.days(), self.overload()
        for node in range(self.capacity.size):
            held = self.stocked[:, node]
            days[:, node] -= np.where(held, over[:, node], 0)
            others = np.delete(days, node, axis=1).min(axis=1, initial=NEVER)[held]
            late, own = self.late[held], days[held, node]
            free, full = (
                self.shown(np.minimum(others, own + more) + late) != self.promise[held]
                for more in (0, 1)
            )
            units, gain = threshold(self.taken[held, node].astype(np.float64), free, full)
            self.capacity[node] = units if gain >= FEW and units > 0 else np.inf
            again = (self.taken[held, node] / self.capacity[node]).astype(np.int64)
            days[held, node] += again

    def set_lanes(self) -> None:
        """Give days of their own to lanes that keep to no distance."""
        over = self.overload()
        for node in range(self.capacity.size):
            days, held = self.days(), self.stocked[:, node]
            others = np.delete(days, node, axis=1).min(axis=1, initial=NEVER)
            wrong = np.zeros((SLOWEST + 2, self.regions))
            region = self.region[held]
            for own in range(SLOWEST + 1):
                at = np.minimum(others, own + over[:, node]) + self.late
                wrong[own] = np.bincount(region, self.wrong(at)[held], self.regions)
            now = self.wrong(days.min(axis=1) + self.late)[held]
            wrong[-1] = np.bincount(region, now, self.regions)
            seen = np.bincount(region, minlength=self.regions)
            best = wrong[:-1].argmin(axis=0)
            gain = wrong[-1] - wrong[:-1].min(axis=0)
            better = gain >= np.maximum(FEW, LANE_SHARE * seen)
            self.lane_days[node, better] = best[better]

    # What is said about it

    def _unseen_capacity(self) -> FloatArray:
        """Return [N] what the log states of a node, where that is more than was ever taken in."""
        most = self.all.taken.max(axis=0, initial=0)
        return np.where(self.stated > most, self.stated, np.inf)

    def decisive(self) -> int:
        """Return on how many lanes (node and region) some promise hung."""
        days = self.days()
        count = 0
        for node in range(self.capacity.size):
            others = np.delete(days, node, axis=1).min(axis=1, initial=NEVER)
            first, last = (self.shown(np.minimum(others, own) + self.late) for own in (0, SLOWEST))
            matters = self.stocked[:, node] & (first != last)
            seen = np.bincount(self.region[matters], minlength=self.regions)
            count += int((seen >= FEW).sum())
        return count

    def findings(self, share: float, same: float) -> tuple[Finding, ...]:
        """Return what was found, in words."""
        names = ("0 days", "1 day", "2 days")
        reach = ", ".join(
            f"{name} to {km:,.0f} km" if np.isfinite(km) else f"{name} everywhere"
            for name, km, nearer in zip(names, self.bands, (-1.0, *self.bands[:2]), strict=True)
            if km > nearer
        )
        reach = reach or "3 or more everywhere"
        if not self.two_days and (self.promise == ONE_DAY).any():
            reach += "; nobody is promised 2d, and two days count as 3d+"
        full = int(np.isfinite(self.capacity).sum())
        nodes, own = self.capacity.size, int((self.lane_days >= 0).sum())
        lanes, seen = nodes * self.regions, self.decisive()
        return (
            finding(
                "promise",
                "days on the road",
                reach,
                bool(self.promise.size) and share >= 0.95,
                f"explains {share:.1%} of the promises that were shown"
                if self.promise.size
                else "no view of a product in stock has a promise",
            ),
            finding(
                "promise",
                "lanes whose days a promise hung on",
                f"{seen} of {lanes}, {own} with days of their own",
                seen == lanes,
                "the others keep to the distances",
            ),
            finding(
                "promise",
                "cut-off hour",
                f"{self.cutoff:.2f}" if self.told else "none",
                self.told,
                "no hour tells the promises apart",
            ),
            finding(
                "promise",
                "capacity a day",
                f"seen to bind at {full} of {nodes} nodes",
                full == nodes,
                "the others were never full: what the log states",
            ),
            Finding(
                part="promise",
                what="promises explained",
                value=f"{share:.2%} in stock, {same:.2%} in or out of stock",
                identified=True,
            ),
            Finding(
                part="promise",
                what="days of processing, and days beyond 3",
                value="counted as days on the road, and as 3",
                identified=False,
                why="promises do not tell them apart",
            ),
        )
