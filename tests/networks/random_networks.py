"""Networks with all mechanisms switched on and off at random."""

import itertools

import numpy as np

from draingym import AgeOdds, Arc, Network, Node, Store


def random_network(seed, size, periods, *, whole_units=False):
    """A network of ``size`` nodes; amounts in eighths, so that little lies on the edge."""
    rng = np.random.default_rng(seed)

    def some(share=0.5):
        return rng.random() < share

    def eighths(low, high):
        return int(rng.integers(low * 8, high * 8)) / 8

    def amount(low, high, share=0.5, none=None):
        if not some(share):
            return none
        return [eighths(low, high) for _ in range(periods)] if some(0.3) else eighths(low, high)

    def limit_of(there):
        """What is let in or out; whole units where they are whole."""
        if whole_units:
            return float(rng.integers(0, 6)) if there else None
        return amount(0, 6, 0.5) if there else None

    arrivals = str(rng.choice(["before shipping", "before demand", "end"]))
    stores = some() and arrivals != "before shipping"
    ages, delays, backlogs, assembly = some(), some(), some(), some(0.6)
    doors, limits, lead = some(), some(), int(rng.integers(0, 4))
    gates, stalls, owes = some(0.3), some(0.3), some()
    names = [f"n{i}" for i in range(size)]
    places = arrivals != "before shipping" and not whole_units
    sells = [some(0.6) for _ in names]
    sells[-1] = True
    nodes = []
    swaps = some(0.3) and not whole_units
    for n, (name, sold) in enumerate(zip(names, sells, strict=True)):
        life = int(rng.integers(1, 4)) if ages and some(0.7) else None
        on_hand = eighths(0, 12) if not whole_units else float(rng.integers(0, 12))
        backlog = backlogs and some(0.7)
        nodes.append(
            Node(
                name,
                on_hand=on_hand,
                waiting=float(rng.integers(0, 4)) if backlog and sold else 0.0,
                holding_cost=amount(0, 2, none=0.0),
                unmet_cost=amount(0, 3, none=0.0) if sold else 0.0,
                backlog=backlog,
                price=amount(0, 9, none=0.0) if sold else 0.0,
                substitutes={others[0]: 0.5} if (others := names[:n][-1:]) and swaps else None,
                salvage=eighths(0, 2),
                ship_limit=amount(1, 9) if limits else None,
                yields=float(rng.choice([1.0, 0.5, 2.0])) if not whole_units else 1.0,
                shelf_life=life,
                lifo=some(),
                waste_cost=amount(0, 2, none=0.0),
                class_limit=eighths(2, 12) if life and some(0.3) and places else None,
                store=str(rng.choice(["hall", "yard"])) if stores and some(0.7) else None,
                volume=float(rng.choice([1.0, 0.5, 2.0])),
                refuse_cost=amount(0, 2, none=0.0),
            )
        )
    arcs = []
    for n, name in enumerate(names):
        sources = [None, *names[:n]]
        chosen = rng.choice(len(sources), min(len(sources), int(rng.integers(1, 4))), replace=False)
        made = assembly and len(chosen) > 1 and some()
        for s in chosen:
            longest = int(rng.integers(0, lead + 1))
            leads = rng.integers(0, longest + 1, periods).tolist() if some(0.3) else longest
            delay = int(rng.integers(0, 3)) if delays else 0
            limit = amount(2, 20, 0.3)
            life = nodes[n].shelf_life
            shares = None
            if life and some(0.4) and arrivals != "before shipping" and not whole_units:
                cut = sorted([0, *rng.integers(0, 9, life - 1).tolist(), 8])
                shares = [(b - a) / 8 for a, b in itertools.pairwise(cut)]
                if len(arcs) % 2:
                    shares = AgeOdds(shares, slopes=[0.1 * a for a in range(life)], most=6)
            arcs.append(
                Arc(
                    sources[s],
                    name,
                    lead_time=leads,
                    delay=delay,
                    in_transit=rng.integers(0, 5, longest).tolist(),
                    on_order=rng.integers(0, 5, delay).tolist(),
                    owed=float(rng.integers(0, 3)) if owes else 0.0,
                    request_limit=limit,
                    minimum=amount(0, 2, 0.3),
                    batch=float(rng.choice([0.5, 1.0, 2.0])) if some(0.3) else None,
                    accepts=amount(0, 1, 0.3, none=1.0),
                    review=int(rng.integers(1, 3)),
                    ship_limit=amount(1, 9, 0.3) if limits else None,
                    leave_limit=limit_of(gates),
                    stands=rng.integers(0, 2, periods).tolist() if stalls and some() else 0.0,
                    receive_limit=limit_of(doors),
                    rank=int(rng.integers(0, 3)) if some() else None,
                    needs=float(rng.choice([0.5, 1.0, 2.0])) if made else None,
                    ages=shares,
                    request_cost=amount(0, 2, none=0.0),
                    request_fee=amount(0, 2, none=0.0),
                    ship_cost=amount(-1, 2, none=0.0),
                    ship_fee=amount(0, 2, none=0.0),
                    receive_cost=amount(0, 2, none=0.0),
                    price=amount(0, 2, none=0.0),
                    short_cost=amount(0, 2, none=0.0),
                    transit_cost=amount(0, 2, none=0.0),
                    dock_cost=amount(0, 2, none=0.0),
                )
            )
    low = -2 if some(0.3) and not whole_units else 0
    return Network(
        nodes=nodes,
        arcs=arcs,
        demand={
            name: rng.integers(low, 9, periods).tolist()
            for name, sold in zip(names, sells, strict=True)
            if sold
        },
        stores=[Store("hall", eighths(0, 30)), Store("yard", eighths(0, 30))] if stores else [],
        arrivals=arrivals,
        rationing=str(rng.choice(["proportional", "rank"])),
        backorders=owes,
        whole_units=whole_units,
        rounding=str(rng.choice(["down", "nearest", "up"])),
        send_back=some(),
    )


def random_requests(seed, network, periods, *, odd=False):
    """Requests in eighths; with what is no request among them."""
    rng = np.random.default_rng(seed)
    shape = (periods, len(network.arcs))
    table = rng.integers(0, 80, shape) / 8 * (rng.random(shape) < 0.8)
    if odd:
        strange = rng.choice([np.nan, np.inf, -np.inf, -3.0, 1e30], shape)
        table = np.where(rng.random(shape) < 0.2, strange, table)
    return table
