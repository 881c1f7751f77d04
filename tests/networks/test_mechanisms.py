"""Every mechanism in a transition table that was worked out by hand."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from draingym import AgeOdds, Arc, Network, Node, Store

NODES, ARCS = 4, 3


def padded(network, requests):
    """The same with idle nodes and arcs at the end: operations have one shape, compiled once."""
    idle = range(NODES - len(network.nodes))
    network = replace(
        network,
        nodes=[*network.nodes, *(Node(f"idle {i}") for i in idle)],
        arcs=[
            *network.arcs,
            *[Arc(None, "idle 0", lead_time=2)] * (ARCS - len(network.arcs)),
        ],
    )
    return network, np.pad(requests, [(0, 0), (0, ARCS - len(requests[0]))])


def play(network, requests):
    """Flows, states and ledger by name, [T, ...] each, after which there are idle entries."""
    network, requests = padded(network, requests)
    with jax.disable_jit():  # operation by operation
        state, moves = jax.device_get(network.simulate(requests))
    ledger = moves.ledger
    found = {}
    for part in (ledger, ledger.flows, state, moves):  # units, where costs have the same name
        found |= {name: getattr(part, name) for name in part.__dataclass_fields__}
    found["transit"], found["transit_paid"] = state.pipeline.sum(axis=1), ledger.transit
    return found


def one(demand, *, node=None, arc=None, **options):
    """One node that is replenished by a vendor."""
    return Network(
        nodes=[Node("shop", **(node or {}))],
        arcs=[Arc(None, "shop", **(arc or {}))],
        demand={"shop": demand},
        **options,
    )


def pair(demand, *, plant=None, shop=None, inward=None, between=None, **options):
    """A plant that a vendor replenishes, and a shop that the plant does."""
    return Network(
        nodes=[Node("plant", **(plant or {})), Node("shop", **(shop or {}))],
        arcs=[Arc(None, "plant", **(inward or {})), Arc("plant", "shop", **(between or {}))],
        demand={"shop": demand},
        **options,
    )


def fan(*, rationing="proportional", ranks=(None, None), **options):
    """A plant with 6 units, and two shops that ask it for 8 and 4."""
    return Network(
        nodes=[Node("plant", on_hand=6), Node("a"), Node("b")],
        arcs=[Arc("plant", "a", rank=ranks[0]), Arc("plant", "b", rank=ranks[1])],
        demand={"a": [0], "b": [0]},
        rationing=rationing,
        **options,
    )


def assembler():
    """A wheel and two bolts make a cart."""
    return Network(
        nodes=[Node("cart")],
        arcs=[Arc(None, "cart", needs=1), Arc(None, "cart", needs=2, dock_cost=3)],
        demand={"cart": [1, 1]},
    )


def two_products(**options):
    """Two products in a hall of 10, of volumes 1 and 2."""
    return Network(
        nodes=[
            Node("a", on_hand=2, store="hall", refuse_cost=5),
            Node("b", on_hand=1, store="hall", volume=2),
        ],
        arcs=[Arc(None, "a"), Arc(None, "b")],
        demand={"a": [0], "b": [0]},
        stores=[Store("hall", 10)],
        **options,
    )


TABLES = [
    # Order of events.
    pytest.param(
        pair([0, 0], plant={"on_hand": 1}, inward={"in_transit": [4], "lead_time": 1}),
        [[0, 9], [0, 9]],
        {"shipped": [[0, 1], [0, 4]], "on_hand": [[4, 1], [0, 5]]},
        id="arrivals before demand: shipped on in the next period",
    ),
    pytest.param(
        pair(
            [0, 0],
            plant={"on_hand": 1},
            inward={"in_transit": [4], "lead_time": 1},
            arrivals="before shipping",
        ),
        [[0, 9], [0, 9]],
        {"shipped": [[0, 5], [0, 0]], "on_hand": [[0, 5], [0, 5]]},
        id="arrivals before shipping: shipped on at once",
    ),
    pytest.param(
        pair([3], arrivals="before shipping"),
        [[5, 4]],
        {"shipped": [[5, 4]], "outbound": [[0, 3]], "on_hand": [[1, 1]]},
        id="lead time 0 through a chain, in one period",
    ),
    pytest.param(
        one([3, 3], arrivals="end", node={"holding_cost": 2}),
        [[5], [0]],
        {"lost": [[3], [0]], "on_hand": [[5], [2]], "holding": [[10], [4]]},
        id="arrivals at the end: sold in the next period, holding after receipts",
    ),
    pytest.param(
        one(
            [1, 1, 1],
            node={"on_hand": 9, "holding_cost": [2, 0, 1]},
            arc={"lead_time": 2, "transit_cost": [1, 3]},
        ),
        [[4], [0], [0]],
        # 8, 7 and 10 on hand at the end; 4, 4 and none on the way. The first cost of transit again.
        {"holding": [[16], [0], [10]], "transit_paid": [[4], [12], [0]], "reward": [-20, -12, -10]},
        id="costs of holding and transit that vary",
    ),
    # Lead times, delays and what is there at the start.
    pytest.param(
        one([0, 0, 0], arc={"lead_time": [2, 0, 0]}),
        [[5], [3], [0]],
        {"arrived": [[0], [3], [5]], "transit": [[5], [5], [0]]},
        id="a lead time that varies: a later order overtakes",
    ),
    pytest.param(
        one([0, 0, 0], arc={"delay": 1, "on_order": [2], "lead_time": 1}),
        [[5], [0], [0]],
        {"shipped": [[2], [5], [0]], "arrived": [[0], [2], [5]]},
        id="a supplier sees a request a period later",
    ),
    pytest.param(
        pair(
            [0, 0],
            between={"owed": 3},
            inward={"in_transit": [2, 4], "lead_time": 2},
            backorders=True,
        ),
        [[0, 1], [0, 0]],
        {"shipped": [[0, 0], [0, 2]], "owed": [[0, 4], [0, 2]]},
        id="what a source owes at the start, and cannot ship, stays owed",
    ),
    # Sources that are short.
    pytest.param(
        fan(), [[8, 4]], {"shipped": [[4, 2]], "short": [[4, 2]]}, id="rationed in proportion"
    ),
    pytest.param(fan(rationing="rank"), [[8, 4]], {"shipped": [[6, 0]]}, id="served as listed"),
    pytest.param(
        fan(rationing="rank", ranks=(2, 1)), [[8, 4]], {"shipped": [[2, 4]]}, id="served by rank"
    ),
    pytest.param(
        pair([0], plant={"on_hand": 3}, between={"short_cost": 2}),
        [[0, 5]],
        {"shipped": [[0, 3]], "short": [[0, 2]], "reward": [-4]},
        id="a source pays for what it does not ship",
    ),
    # Limits.
    pytest.param(
        one([0], arc={"request_limit": 4, "request_cost": 1}),
        [[9]],
        {"ordered": [[4]], "reward": [-4]},
        id="a request is cut to its limit",
    ),
    pytest.param(
        one([0, 0], arc={"minimum": 3}),
        [[2], [3]],
        {"ordered": [[0], [3]]},
        id="a request below the minimum is refused",
    ),
    pytest.param(
        one([0, 0], arc={"batch": 4}),
        [[7], [8]],
        {"ordered": [[4], [8]]},
        id="whole batches, rounded down",
    ),
    pytest.param(
        one([0, 0, 0], arc={"batch": 1}, rounding="nearest"),
        [[2.5], [3.5], [0.7]],
        {"ordered": [[2], [4], [1]]},
        id="whole batches, half to even",
    ),
    pytest.param(
        one([0], arc={"batch": 4, "request_limit": 6}, rounding="up"),
        [[5]],
        {"ordered": [[4]]},
        id="rounded up, but never above the limit",
    ),
    pytest.param(
        one([0, 0, 0], arc={"review": 2, "accepts": [1, 1, 0.5]}),
        [[4], [4], [4]],
        {"ordered": [[4], [4], [4]], "shipped": [[4], [0], [2]]},
        id="requests count at a review, as far as they are accepted",
    ),
    pytest.param(
        one([0, 0], arc={"ship_limit": [3, 9]}, backorders=True),
        [[5], [0]],
        {"shipped": [[3], [2]], "owed": [[2], [0]]},
        id="what an arc cannot carry is owed",
    ),
    pytest.param(
        pair([0], plant={"on_hand": 9, "ship_limit": 2}),
        [[0, 5]],
        {"shipped": [[0, 2]], "on_hand": [[7, 2]]},
        id="a source's limit over all its arcs",
    ),
    pytest.param(
        one([0, 0], arc={"receive_limit": [0, 9], "dock_cost": 2}),
        [[5], [1]],
        {"door": [[5], [0]], "on_hand": [[0], [6]], "reward": [-10, 0]},
        id="receipts that are paused wait at the door",
    ),
    pytest.param(
        one([0, 0], arc={"leave_limit": [0, 9], "dock_cost": 2}),
        [[5], [1]],
        {"gate": [[5], [0]], "on_hand": [[0], [6]], "reward": [-10, 0]},
        id="shipments that are paused are set aside",
    ),
    pytest.param(
        one([0] * 4, arc={"lead_time": 2, "in_transit": [1, 2], "stands": [1, 0, 0, 0]}),
        [[4], [8], [0], [0]],
        {"arrived": [[1], [0], [2], [12]], "transit": [[6], [14], [12], [0]]},
        id="transit that stands arrives later, with what is shipped next",
    ),
    pytest.param(
        pair([0, 0], plant={"on_hand": 5, "yields": 0.5}),
        [[0, 2], [0, 2]],
        {"shipped": [[0, 2], [0, 0.5]], "on_hand": [[1, 2], [0, 2.5]]},
        id="two units of stock make one that is shipped",
    ),
    # Costs.
    pytest.param(
        pair(
            [2],
            plant={"on_hand": 5, "salvage": 1},
            shop={"price": 10, "unmet_cost": 4, "holding_cost": 3},
            inward={"request_fee": 7, "request_cost": 2, "lead_time": 1, "transit_cost": 1},
            between={"price": 6, "ship_cost": 0.5, "ship_fee": 8, "receive_cost": 0.25},
        ),
        [[3, 4]],
        # 20 for 2 sold; 7 + 6 to order, 3 in transit; 2 to ship 4, 8 once, 1 to receive; 6 to hold
        # the two that are left; 1 for the unit left at the plant. The 24 for the transfer stay in.
        {"paid": [[0, 24]], "fees": [[7, 8]], "reward": [20 - 7 - 6 - 3 - 2 - 8 - 1 - 6 + 1]},
        id="costs of requests, shipments and receipts; a transfer price nets out",
    ),
    pytest.param(
        one([0, 0], arc={"price": [2, 3]}),
        [[5], [5]],
        {"reward": [-10, -15]},
        id="a vendor's price, which varies, leaves the network",
    ),
    pytest.param(
        one([5, 0], node={"on_hand": 2, "unmet_cost": 3, "backlog": True}),
        [[0], [4]],
        {"waiting": [[3], [0]], "outbound": [[2], [3]], "reward": [-9, 0]},
        id="demand that waits",
    ),
    pytest.param(
        one([-2, 1]),
        [[0], [0]],
        {"on_hand": [[2], [1]], "outbound": [[-2], [1]]},
        id="customers bring units back",
    ),
    # Perishables.
    pytest.param(
        one([3, 0], node={"on_hand": 6, "ages": [4, 2], "shelf_life": 2, "waste_cost": 5}),
        [[0], [0]],
        {"wasted": [[0], [3]], "ages": [[[0], [3]], [[0], [0]]], "reward": [0, -15]},
        id="the oldest leave first",
    ),
    pytest.param(
        one([3, 0], node={"on_hand": 6, "ages": [4, 2], "shelf_life": 2, "lifo": True}),
        [[0], [0]],
        {"wasted": [[2], [1]], "ages": [[[0], [1]], [[0], [0]]]},
        id="the youngest leave first",
    ),
    pytest.param(
        one([0, 0], node={"shelf_life": 3}, arc={"ages": [0.5, 0, 0.5]}),
        [[8], [0]],
        {"wasted": [[4], [0]], "ages": [[[0], [4], [0]], [[0], [0], [4]]]},
        id="units that arrive old expire early",
    ),
    pytest.param(
        # Eight units are at once of one age, a single one of another: odds of e^30 and more.
        one(
            [0, 0],
            node={"shelf_life": 3},
            arc={"ages": AgeOdds([-60, -60, 0], slopes=[0, 30, 0], most=3)},
        ),
        [[8], [1]],
        {"wasted": [[0], [9]], "ages": [[[0], [0], [8]], [[0], [0], [0]]]},
        id="odds of an age that depend on the units",
    ),
    pytest.param(
        one([0], node={"shelf_life": 2, "class_limit": 3}),
        [[8]],
        {"spilled": [[5]], "on_hand": [[3]]},
        id="units of one age that are kept",
    ),
    pytest.param(
        Network(
            nodes=[
                Node("a", on_hand=2, price=3),
                Node("b", on_hand=2, unmet_cost=1, substitutes={"a": 0.5}),
            ],
            arcs=[Arc(None, "a")],
            demand={"a": [1], "b": [5]},
        ),
        [[0]],
        # Of the 3 who find no b, 1.5 accept a; 1 is left of it.
        {"outbound": [[2, 2]], "lost": [[0, 2]], "reward": [6 - 2]},
        id="customers take another product instead",
    ),
    # Stores and assembly.
    pytest.param(
        two_products(),
        [[4, 4]],
        # 4 taken, 6 free; 4 + 8 arrive: half of each.
        {"refused": [[2, 2]], "on_hand": [[4, 3]], "reward": [-10]},
        id="a full store refuses in proportion to volume",
    ),
    pytest.param(
        pair(
            [0],
            plant={"on_hand": 5},
            shop={"store": "hall"},
            stores=[Store("hall", 3)],
            send_back=True,
        ),
        [[0, 5]],
        {"refused": [[0, 2]], "on_hand": [[2, 3]]},
        id="what does not fit is sent back",
    ),
    pytest.param(
        assembler(),
        [[3, 4], [0, 3]],
        # Two carts of 2 wheels and 4 bolts; then one of 1 wheel and 2 bolts.
        {"stowed": [[2], [1]], "parts": [[1, 0], [0, 1]], "reward": [0, -3]},
        id="parts wait for each other",
    ),
]


@pytest.mark.parametrize(("network", "requests", "expected"), TABLES)
def test_by_hand(network, requests, expected):
    got = play(network, requests)
    for name, value in expected.items():
        part = got[name][tuple(slice(n) for n in np.shape(value))]
        np.testing.assert_allclose(part, value, atol=1e-5, err_msg=name)


def test_what_is_no_number_is_no_request():
    got = play(one([0], arc={"request_cost": 1}), [[np.nan]])
    assert (got["shipped"] == 0).all()
    assert (got["reward"] == 0).all()
