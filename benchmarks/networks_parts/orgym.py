"""or-gym's network of factories, distributors and retailers beside the same one described to ours.

Its graph is read from or-gym itself, in the run; without it there is nothing to compare.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax

from benchmarks._common import timed
from benchmarks._peers import LOOPS, MISSING, interpreter, is_there
from benchmarks.parity.supply import orgym
from benchmarks.throughput_parts.lines_and_trees import Fixed
from draingym import Network, Poisson, Scenario, batch_returns, jit

BATCH, PERIODS, UNITS = 4096, 30, 10.0
NAME = "or-gym network"
# Its numbers, in the words of the trajectories that ``benchmarks.parity`` plays.
_READ = """
import json, or_gym
env = or_gym.make('NetworkManagement-v1')
kinds = {**dict.fromkeys(env.market, 'market'), **dict.fromkeys(env.distrib, 'distributor')}
kinds |= {**dict.fromkeys(env.retail, 'retailer'), **dict.fromkeys(env.factory, 'factory')}
kinds |= dict.fromkeys(env.rawmat, 'source')
nodes = {str(n): {'type': kinds[n], **dict(env.graph.nodes[n])} for n in env.graph.nodes}
keys = ('L', 'p', 'g', 'b')
edges = [
    {'supplier': int(i), 'buyer': int(j), **{k: float(d[k]) for k in keys if k in d}}
    for i, j, d in env.graph.edges(data=True)
]
market = next(d['dist_param'] for _, _, d in env.graph.edges(data=True) if 'dist_param' in d)
discount = float(env.alpha)
print(json.dumps([nodes, edges, market, discount, bool(env.backlog)], default=float))
"""


def described(told: list[Any]) -> Network:
    """Return or-gym's network as one of ours.

    Args:
        told: Nodes, edges, parameters of demand, discount, and whether customers wait.
    """
    nodes, edges, demand, discount, backlog = told
    edges = [{**edge, **({"L": int(edge["L"])} if "L" in edge else {})} for edge in edges]
    markets = {name for name, node in nodes.items() if node["type"] == "market"}
    sales = {f"{e['supplier']}>{e['buyer']}": 1.0 for e in edges if str(e["buyer"]) in markets}
    orders = {
        f"{e['supplier']}>{e['buyer']}": UNITS for e in edges if str(e["buyer"]) not in markets
    }
    case = {
        "parameters": {
            "nodes": nodes,
            "edges": edges,
            "mode": "backlog" if backlog else "lost_sales",
            "discount": discount,
        },
        "initial": {"on_hand": {name: node.get("I0", 0.0) for name, node in nodes.items()}},
        "periods": [{"inputs": {"demand": sales}, "actions": {"orders": orders}}],
    }
    network = orgym(case).network
    return replace(network, demand={name: Poisson(rate=demand["mu"]) for name in network.demand})


def rows(folder: Path | None, repeats: int) -> list[dict[str, Any]]:
    """Return our network beside or-gym's; without it, a row that says so."""
    row: dict[str, Any] = {
        "problem": "or-gym's network of 11 arcs",
        "measured": "simulation",
        "batch": BATCH,
        "M steps/s": None,
        "peer": "or-gym",
        "peer's M steps/s": None,
        "times faster": None,
        "peer measured": MISSING,
    }
    if folder is None or not is_there(folder, "or-gym"):
        return [row]
    python = [str(interpreter(folder, "or-gym")), "-W", "ignore", "-c", _READ]
    try:
        told = subprocess.run(python, capture_output=True, text=True, check=True).stdout
        theirs = LOOPS[NAME].rate(folder, repeats=repeats)
    except subprocess.CalledProcessError as error:
        return [row | {"peer measured": f"{MISSING} ({type(error).__name__})"}]
    built = described(json.loads(told.splitlines()[-1])).built
    scenario = built.sample(jax.random.key(0), PERIODS, BATCH)

    @jit
    def run(scenario: Scenario) -> jax.Array:
        return batch_returns(built.simulator, built.params, Fixed(units=UNITS), None, scenario)

    (wall, _) = timed({"": lambda: run(scenario)}, repeats)[""]
    ours = BATCH * PERIODS / wall
    found = {
        "M steps/s": ours / 1e6,
        "peer's M steps/s": theirs / 1e6,
        "times faster": ours / theirs,
        "peer measured": "in this run",
    }
    return [row | found]
