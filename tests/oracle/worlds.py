"""Small systems and views for the oracle's tests, and a slow reference written on its own."""

import math
from dataclasses import replace

import numpy as np

from draingym.oracle import Systems
from draingym.oracle.fulfilment.period import drain_period
from draingym.world.views import ConversionRates, Views


def rates_for(products, level=0.3):
    """Rates of products with one conversion level."""
    return ConversionRates.from_conversion(np.full(products, level))


def make_systems(
    transit,
    *,
    zone=None,
    products=1,
    regions=1,
    weight_lb=1.0,
    capacity=np.inf,
    cumulative=None,
    **changes,
):
    """Systems of [N, K] transit days; free of lanes, scarcity and noise unless changed.

    A box costs 2 + 1 lb + 1 zone + 0 lb zone USD.
    """
    transit = np.asarray(transit, np.int64)
    nodes = len(transit)
    systems = Systems(
        serves=np.ones(nodes, bool),
        active_from=np.zeros(nodes, np.int64),
        transit_days=transit,
        zone=transit if zone is None else np.asarray(zone, np.int64),
        nearest_node=transit.argmin(axis=0),
        lane_effect=np.ones((nodes, regions)),
        weight_lb=np.broadcast_to(np.float64(weight_lb), (products,)).copy(),
        cumulative=rates_for(products).cumulative if cumulative is None else cumulative,
        scarcity_units=np.ones((products, nodes)),
        daily_capacity=np.broadcast_to(np.float64(capacity), (nodes,)).copy(),
        rates=np.array([2.0, 1.0, 1.0, 0.0]),
        processing_days=0,
        cutoff_hour=16.0,
        opportunity_cost=0.0,
        cost_noise_sd=0.0,
    )
    return replace(systems, **changes)


def make_views(rows, *, periods=1, period_days=1):
    """Views from (time, product, place, quantity, session, latent); region = place, or 0."""
    time, product, place, quantity, session, latent = (
        np.array(column) for column in zip(*rows, strict=True)
    )
    edges = np.arange(periods + 1) * period_days
    return Views(
        time=time.astype(np.float64),
        product=product.astype(np.int32),
        place=place.astype(np.int32),
        region=np.zeros(len(time), np.int32),
        customer=session.astype(np.int32),
        quantity=quantity.astype(np.int32),
        session=session.astype(np.int64),
        latent=latent.astype(np.float64),
        offsets=np.searchsorted(time, edges).astype(np.int64),
    )


def random_case(rng):
    """A random small instance: systems, one period's views, stock."""
    nodes, places, products, regions = rng.integers([1, 1, 1, 1], [5, 5, 4, 4])
    baskets = int(rng.integers(1, 25))
    times = np.sort(rng.choice([0.1, 0.3, 0.7, 0.9, 1.2, 1.8], baskets))
    lines = rng.integers(1, 4, baskets)
    home, region = rng.integers(places, size=baskets), rng.integers(regions, size=baskets)
    session = np.repeat(np.arange(baskets), lines)
    rates = ConversionRates.from_conversion(rng.uniform(0.2, 0.9, products))
    views = Views(
        time=times[session],
        product=rng.integers(products, size=len(session)).astype(np.int32),
        place=home[session].astype(np.int32),
        region=region[session].astype(np.int32),
        customer=session.astype(np.int32),
        quantity=rng.integers(1, 5, len(session)).astype(np.int32),
        session=session + 1000,
        latent=rng.uniform(0.0, 1.0, len(session)),
        offsets=np.array([0, len(session)]),
    )
    serves = rng.random(nodes) < 0.8
    serves[rng.integers(nodes)] = True
    systems = make_systems(
        rng.integers(1, 5, (nodes, places)),
        zone=rng.integers(1, 9, (nodes, places)),
        products=products,
        regions=regions,
        capacity=rng.choice([2.0, 3.5, np.inf], nodes),
        cumulative=rates.cumulative,
        serves=serves,
        lane_effect=rng.lognormal(0.0, 0.3, (nodes, regions)),
        weight_lb=rng.uniform(0.5, 6.0, products),
        scarcity_units=rng.uniform(0.5, 5.0, (products, nodes)),
        opportunity_cost=2.0,
        cost_noise_sd=0.3,
        rates=np.array([2.85, 0.16, 0.58, 0.135]),
        processing_days=int(rng.integers(2)),
        lane_preference=rng.normal(0.0, 1.0, (nodes, regions)),
        choice_noise=float(rng.choice([0.0, 0.5])),
        basket_noise=float(rng.choice([0.0, 0.5])),
        two_days=bool(rng.random() < 0.7),
    )
    stock = rng.integers(0, 6, (products, nodes)).astype(np.int64)
    return systems, views, stock


def _splitmix(word):
    mask = (1 << 64) - 1
    word = (word + 0x9E3779B97F4A7C15) & mask
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & mask
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & mask
    return word ^ (word >> 31)


def _noise(seed, session, node, sd):
    word = _splitmix(_splitmix(_splitmix(seed) ^ session) ^ node)
    radius = math.sqrt(-2.0 * math.log(1.0 - (word >> 11) / 2**53))
    normal = radius * math.cos(2.0 * math.pi * (_splitmix(word) >> 11) / 2**53)
    return math.exp(sd * normal - sd * sd / 2.0)


def _unknown(session, item, node):
    word = _splitmix(session ^ 0xA0761D6478BD642F)
    word = _splitmix(word ^ (0xE7037ED1A0B428DB if item is None else item))
    word = _splitmix(word ^ node)
    return math.log(-math.log(((word >> 12) + 0.5) / 2**52))


class Reference:
    """The rules of ``oracle.fulfilment.period`` again: plain Python, one view at a time, slow."""

    def __init__(self, systems, stock, seed):
        """Start with the shelves of ``stock``."""
        self.systems, self.seed = systems, seed
        self.stock = {(i, n): int(k) for (i, n), k in np.ndenumerate(stock)}
        self.today, self.taken = None, {}
        self.events, self.promises, self.options, self.boxes = [], [], [], []

    def price(self, node, place, pounds):
        a, b, c, d = self.systems.rates
        zone = int(self.systems.zone[node, place])
        return a + b * pounds + (c + d * pounds) * zone

    def days(self, item, place, moment):
        """Days until delivery by node, for nodes that could ship the item."""
        s, late = self.systems, (moment % 1.0) * 24.0 >= self.systems.cutoff_hour
        return {
            node: s.processing_days
            + int(late)
            + int(self.taken.get(node, 0) // s.daily_capacity[node])
            + int(s.transit_days[node, place])
            for node in map(int, s.open_nodes(0))
            if self.stock[item, node] > 0
        }

    def choose(self, item, place, region, wanted, due, days, basket, session):
        """The node with the lowest score per unit, the first one at a tie."""
        s, scores = self.systems, {}
        for node, arrival in days.items():
            held = self.stock[item, node]
            if held == 0 or arrival > due:
                continue
            take = min(held, wanted)
            heavier = take * s.weight_lb[item]
            if node in basket:
                carried = sum(units * s.weight_lb[i] for i, units, _ in basket[node])
                grows = self.price(node, place, carried + heavier)
                grows -= self.price(node, place, carried)
            else:
                grows = self.price(node, place, heavier)
            scarce = math.exp(-held / s.scarcity_units[item, node])
            scores[node] = s.lane_effect[node, region] * grows / take
            scores[node] += s.opportunity_cost * scarce
            scores[node] += s.lane_preference[node, region]
            if s.choice_noise > 0:
                scores[node] += s.choice_noise * _unknown(session, item, node)
            if s.basket_noise > 0:
                scores[node] += s.basket_noise * _unknown(session, None, node)
        return min(scores, key=scores.__getitem__) if scores else None

    def basket(self, views, rows):
        """Serve one basket; return its boxes as node -> [(item, units, view)]."""
        basket = {}
        for row in rows:
            item, place = int(views.product[row]), int(views.place[row])
            moment = float(views.time[row])
            if math.floor(moment) != self.today:
                self.today, self.taken = math.floor(moment), {}
            days = self.days(item, place, moment)
            soonest = min(days.values(), default=None)
            promise = 3 if soonest is None else 0 if soonest <= 1 else 2
            if soonest == 2 and self.systems.two_days:
                promise = 1
            chosen = 0
            while views.latent[row] > self.systems.cumulative[item, promise, chosen]:
                chosen += 1
            self.promises.append(promise)
            self.options.append(chosen)
            left = int(views.quantity[row]) if chosen < 3 else 0
            due = {0: 1, 1: 2}.get(chosen, math.inf)
            while left:
                node = self.choose(
                    item,
                    place,
                    int(views.region[row]),
                    left,
                    due,
                    days,
                    basket,
                    int(views.session[row]),
                )
                if node is None:
                    break
                take = min(left, self.stock[item, node])
                self.stock[item, node] -= take
                self.taken[node] = self.taken.get(node, 0) + take
                basket.setdefault(node, []).append((item, take, row))
                self.events.append((row, node, take))
                left -= take
        return basket

    def run(self, views):
        """Serve all baskets; return the bill of every (session, node)."""
        bills = {}
        for session in dict.fromkeys(views.session.tolist()):
            rows = np.flatnonzero(views.session == session).tolist()
            for node, lines in self.basket(views, rows).items():
                pounds = sum(u * self.systems.weight_lb[i] for i, u, _ in lines)
                bill = self.price(node, int(views.place[rows[0]]), pounds)
                bill *= self.systems.lane_effect[node, int(views.region[rows[0]])]
                bill *= _noise(self.seed, session, node, self.systems.cost_noise_sd)
                bills[session, node] = bill
        return bills


def drain(systems, views, stock, **kwargs):
    """Drain period 0."""
    return drain_period(systems, views, 0, np.asarray(stock, np.int64), **kwargs)
