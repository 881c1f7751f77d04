"""A network of arcs once more: slow, node by node, in plain Python and float64.

Reads the description, none of the simulator's arrays, but for the uniforms of ages that are drawn;
for real units and lead times that are given.
"""

import math

import numpy as np

from draingym import AgeOdds


def at(value, t, none):
    """The value of an amount in a period."""
    if value is None:
        return none
    return value[t % len(value)] if isinstance(value, tuple) else value


def requested(arc, action, t, rounding):
    units = min(action, 1e9) if action >= 0 else 0.0  # NaN is not
    limit = at(arc.request_limit, t, math.inf)
    units = min(units, limit)
    batch = at(arc.batch, t, 0.0)
    if batch:
        step = {"down": math.floor, "up": math.ceil, "nearest": round}[rounding]
        units = batch * min(step(units / batch), math.floor(limit / batch) if limit < 1e8 else 1e12)
    return units if units >= at(arc.minimum, t, 0.0) else 0.0


class Shelf:
    """Units on hand of one node; by the periods that each can still be sold in, where they age."""

    def __init__(self, node):
        """Put what is there at the start on the shelf."""
        self.node = node
        self.life = node.shelf_life
        given = node.ages if node.ages is not None else (node.on_hand,)
        self.ages = [0.0] * (self.life or 1)
        for i, units in enumerate(given):
            self.ages[i] = units

    @property
    def units(self):
        return sum(self.ages)

    def take(self, units):
        if units < 0:
            self.ages[0] -= units
            return
        order = range(len(self.ages))
        for i in order if self.node.lifo else reversed(order):
            taken = min(units, self.ages[i])
            self.ages[i] -= taken
            units -= taken

    def put(self, units, shares=(1.0,)):
        for i, share in enumerate(shares):
            self.ages[i] += units * share

    def put_drawn(self, units, odds, uniforms):
        """Put units on the shelf one by one, each in the age that its uniform falls on."""
        slopes = odds.slopes or [0.0] * len(odds.intercepts)
        logs = [a + b * units for a, b in zip(odds.intercepts, slopes, strict=True)]
        odd = [math.exp(log - max(logs)) for log in logs]
        reach = np.cumsum(odd) / sum(odd)
        reach[-1] = 1.0
        for i in range(math.ceil(units)):
            age = int(np.argmax(uniforms[i % len(uniforms)] < reach))
            self.ages[age] += min(units - i, 1.0)

    def spill(self):
        limit = self.node.class_limit
        if limit is None or self.life is None:
            return 0.0
        over = sum(max(units - limit, 0.0) for units in self.ages)
        self.ages = [min(units, limit) for units in self.ages]
        return over

    def expire(self):
        if self.life is None:
            return 0.0
        wasted = self.ages[-1]
        self.ages = [0.0, *self.ages[:-1]]
        return wasted


def in_order_of_flow(network):
    """Names of nodes, sources before targets."""
    names, left = [], [node.name for node in network.nodes]
    while left:
        for name in left:
            if all(a.source is None or a.source in names for a in network.arcs if a.target == name):
                names.append(name)
                left.remove(name)
                break
    return names


def simulate(network, requests, age_uniform=None):
    """Return a dictionary of what happened for each period.

    Args:
        network: The description.
        requests: Units by period and arc.
        age_uniform: Uniforms by period, arc whose ages are drawn, and unit.
    """
    arcs = network.arcs
    uniforms = None if age_uniform is None else np.asarray(age_uniform)
    drawn = [e for e, arc in enumerate(arcs) if isinstance(arc.ages, AgeOdds)]
    nodes = {node.name: node for node in network.nodes}
    shelf = {name: Shelf(node) for name, node in nodes.items()}
    transit = [dict(enumerate(arc.in_transit)) for arc in arcs]  # by periods to arrival
    gate = [0.0] * len(arcs)
    coming = [dict(enumerate(arc.on_order)) for arc in arcs]  # requests, by period
    owed = [arc.owed if network.backorders else 0.0 for arc in arcs]
    door = [0.0] * len(arcs)
    parts = [0.0] * len(arcs)
    waiting = {name: node.waiting for name, node in nodes.items()}
    history = []
    for t, actions in enumerate(requests):
        reward = 0.0
        ordered = [
            requested(arc, float(action), t, network.rounding)
            for arc, action in zip(arcs, actions, strict=True)
        ]
        claim = []
        for e, arc in enumerate(arcs):
            open_now = at(arc.accepts, t, 1.0) * (t % arc.review == 0)
            coming[e][t + arc.delay] = coming[e].get(t + arc.delay, 0.0) + ordered[e] * open_now
            claim.append(coming[e].pop(t, 0.0) + owed[e])
            reward -= at(arc.request_cost, t, 0) * ordered[e]
            reward -= at(arc.request_fee, t, 0) * (ordered[e] > 1e-4)

        shipped, used = [0.0] * len(arcs), dict.fromkeys(nodes, 0.0)
        arrived = [transit[e].pop(0, 0.0) for e in range(len(arcs))]
        refused, spilled = [0.0] * len(arcs), dict.fromkeys(nodes, 0.0)
        stowed = dict.fromkeys(nodes, 0.0)

        def send(name, t=t, claim=claim, shipped=shipped, used=used, arrived=arrived):
            """Let a node, or the vendor, ship on its arcs."""
            mine = [e for e, arc in enumerate(arcs) if arc.source == name]
            want = [min(claim[e], at(arcs[e].ship_limit, t, math.inf)) for e in mine]
            room = math.inf
            if name is not None:
                node = nodes[name]
                room = min(shelf[name].units * node.yields, at(node.ship_limit, t, math.inf))
            if network.rationing == "rank":
                ranks = [arcs[e].rank if arcs[e].rank is not None else e for e in mine]
                for i in sorted(range(len(mine)), key=lambda i: (ranks[i], mine[i])):
                    want[i] = min(want[i], room)
                    room -= want[i]
            elif sum(want) > room:
                want = [units * room / sum(want) for units in want]
            for e, units in zip(mine, want, strict=True):
                shipped[e] = units
                ready = gate[e] + units
                leaves = min(ready, at(arcs[e].leave_limit, t, math.inf))
                gate[e] = ready - leaves
                lead = arcs[e].lead_time
                lead = lead[t % len(lead)] if isinstance(lead, tuple) else lead
                if lead:
                    transit[e][lead] = transit[e].get(lead, 0.0) + leaves
                else:
                    arrived[e] += leaves
            if name is not None:
                used[name] = sum(want) / nodes[name].yields
                shelf[name].take(used[name])

        def take_in(names, t=t, arrived=arrived, refused=refused, stowed=stowed, spilled=spilled):
            """Let what arrived at some nodes in: through the door, into the store, to the parts."""
            mine = [e for e, arc in enumerate(arcs) if arc.target in names]
            let_in = {}
            for e in mine:
                here = door[e] + arrived[e]
                let_in[e] = min(here, at(arcs[e].receive_limit, t, math.inf))
                door[e] = here - let_in[e]
            for store in network.stores:
                inside = [n for n in names if nodes[n].store == store.name]
                free = store.room - sum(nodes[n].volume * shelf[n].units for n in inside)
                into = [e for e in mine if arcs[e].target in inside]
                asks = sum(nodes[arcs[e].target].volume * let_in[e] for e in into)
                for e in into:
                    fits = let_in[e] * min(1.0, max(free, 0.0) / asks) if asks > 0 else let_in[e]
                    refused[e] = let_in[e] - fits
                    let_in[e] = fits
            for name in names:
                made = math.inf
                for e in [e for e in mine if arcs[e].target == name]:
                    if arcs[e].needs is None:
                        if e in drawn:
                            draws = uniforms[t, drawn.index(e)]
                            shelf[name].put_drawn(let_in[e], arcs[e].ages, draws)
                        else:
                            ages = arcs[e].ages or ((1.0,),)
                            shelf[name].put(let_in[e], ages[t % len(ages)])
                        stowed[name] += let_in[e]
                    else:
                        parts[e] += let_in[e]
                        made = min(made, parts[e] / arcs[e].needs)
                if made < math.inf:
                    for e in [e for e in mine if arcs[e].target == name]:
                        if arcs[e].needs is not None:
                            parts[e] -= made * arcs[e].needs
                    shelf[name].put(made)
                    stowed[name] += made
                spilled[name] = shelf[name].spill()

        send(None)
        if network.arrivals == "before shipping":
            for name in in_order_of_flow(network):
                take_in([name])
                send(name)
        else:
            for name in nodes:
                send(name)
        if network.arrivals == "before demand":
            take_in(list(nodes))

        outbound, lost = dict.fromkeys(nodes, 0.0), dict.fromkeys(nodes, 0.0)
        wasted, unmet = {}, {}
        for name in nodes:
            demand = network.demand[name][t] if name in network.demand else 0.0
            need = demand + waiting[name]
            outbound[name] = min(need, shelf[name].units)
            unmet[name] = need - outbound[name]
        asks = {
            name: {o: node.substitutes[name] * unmet[o] for o, node in nodes.items()
                   if name in (node.substitutes or {})}
            for name in nodes
        }  # fmt: skip
        sold = {n: min(sum(asks[n].values()), shelf[n].units - outbound[n]) for n in nodes}
        for name, others in asks.items():
            for other, units in others.items():
                if units > 0:
                    unmet[other] -= units * sold[name] / sum(others.values())
            outbound[name] += sold[name]
        for name, node in nodes.items():
            shelf[name].take(outbound[name])
            waiting[name] = unmet[name] if node.backlog else 0.0
            lost[name] = 0.0 if node.backlog else unmet[name]
            wasted[name] = shelf[name].expire()
            reward += at(node.price, t, 0) * outbound[name]
            reward -= at(node.unmet_cost, t, 0) * unmet[name]
            reward -= at(node.waste_cost, t, 0) * wasted[name]
        if network.arrivals == "end":
            take_in(list(nodes))
        short = [0.0] * len(arcs)
        for e, arc in enumerate(arcs):
            short[e] = claim[e] - shipped[e]
            owed[e] = short[e] if network.backorders else 0.0
            if network.send_back and arc.source is not None:
                shelf[arc.source].put(refused[e])
            if not at(arc.stands, t, 0.0):
                transit[e] = {periods - 1: units for periods, units in transit[e].items()}
            on_way = sum(transit[e].values())
            paid = at(arc.price, t, 0) if arc.source is None else 0.0
            reward -= at(arc.ship_cost, t, 0) * shipped[e] + paid * shipped[e]
            reward -= at(arc.ship_fee, t, 0) * (shipped[e] > 1e-4)
            reward -= at(arc.receive_cost, t, 0) * arrived[e] + at(arc.short_cost, t, 0) * short[e]
            reward -= at(arc.transit_cost, t, 0) * on_way + at(arc.dock_cost, t, 0) * (
                gate[e] + door[e] + parts[e]
            )
            reward -= at(nodes[arc.target].refuse_cost, t, 0) * refused[e]
        for name, node in nodes.items():
            reward -= at(node.holding_cost, t, 0) * shelf[name].units
            reward += node.salvage * shelf[name].units * (t == len(requests) - 1)
        history.append(
            {
                "ordered": ordered,
                "shipped": shipped,
                "arrived": arrived,
                "short": short,
                "refused": refused,
                "gate": list(gate),
                "door": list(door),
                "parts": list(parts),
                "transit": [sum(each.values()) for each in transit],
                "used": [used[n] for n in nodes],
                "stowed": [stowed[n] for n in nodes],
                "outbound": [outbound[n] for n in nodes],
                "lost": [lost[n] for n in nodes],
                "waiting": [waiting[n] for n in nodes],
                "wasted": [wasted[n] for n in nodes],
                "spilled": [spilled[n] for n in nodes],
                "on_hand": [shelf[n].units for n in nodes],
                "reward": reward,
            }
        )
    return [{name: np.asarray(value) for name, value in row.items()} for row in history]
