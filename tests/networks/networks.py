"""Small networks that several tests describe."""

from draingym import Arc, Network, Node, Poisson


def small(**options):
    return Network(
        **{
            "nodes": [
                Node("plant", on_hand=40, holding_cost=0.1),
                Node("north", on_hand=8, price=9.0),
                Node("south", backlog=True, unmet_cost=3.0),
            ],
            "arcs": [
                Arc(None, "plant", lead_time=2, request_cost=3.0),
                Arc("plant", "north"),
                Arc("plant", "south", lead_time={1: 0.5, 2: 0.5}),
                Arc(None, "south", request_cost=[5.0, 6.0]),
            ],
            "demand": {"north": [3, 4], "south": Poisson(rate=4.0)},
        }
        | options
    )
