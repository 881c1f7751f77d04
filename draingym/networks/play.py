"""An episode of a network as a picture: stock, shipments and reward over time."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
from jaxtyping import Array

from draingym.common.atomic import atomic_file
from draingym.networks.network import Network
from draingym.networks.picture import image_format
from draingym.networks.policy import base_stock
from draingym.simulator import Observation, Transition


class _Random:
    """Requests anything up to the most, on every arc."""

    def __init__(self, most: Any) -> None:
        self._most = most

    def init(self, key: Array) -> tuple[()]:
        """Return nothing: it has no parameters."""
        del key
        return ()

    def apply(self, params: Any, observation: Observation, key: Array) -> Array:
        """Return uniform requests."""
        del params, observation
        units: Array = jax.random.uniform(key, self._most.shape) * self._most
        return units


def episode(
    network: Network, policy: Literal["base-stock", "random"], horizon: int, seed: int
) -> Transition:
    """Play an episode; return what happened, leaves [T, ...] on the host."""
    built = network.built
    acting: Any = base_stock(network) if policy == "base-stock" else _Random(built.most)
    key_scenario, key_policy = jax.random.split(jax.random.key(seed))
    scenario = built.sample(key_scenario, horizon)
    trajectory = jax.jit(
        lambda levels: built.simulator.rollout(built.params, acting, levels, scenario, key_policy)
    )(acting.init(key_policy))
    moves: Transition = jax.device_get(trajectory.transitions)
    return moves


def draw(network: Network, moves: Transition, path: Path) -> None:
    """Draw an episode; the suffix of the path is the format."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 7.5), layout="constrained")
    stock, flow, money = figure.subplots(3, 1, sharex=True)
    for n, node in enumerate(network.nodes):
        (line,) = stock.plot(moves.on_hand[:, n], drawstyle="steps-post", label=node.name)
        unmet = moves.lost[:, n] + moves.waiting[:, n]
        if unmet.any():
            stock.plot(-unmet, drawstyle="steps-post", color=line.get_color(), linestyle=":")
    for e, arc in enumerate(network.arcs):
        flow.plot(moves.shipped[:, e], drawstyle="steps-post", label=arc.name)
    money.plot(np.cumsum(moves.reward), color="black")
    stock.set_ylabel("units on hand; below 0: unmet")
    flow.set_ylabel("units shipped")
    money.set(xlabel="period", ylabel="reward so far")
    for axes in (stock, flow):
        axes.legend(frameon=False, fontsize=8, ncols=3)
    kind = image_format(path)
    with atomic_file(path) as fresh:
        figure.savefig(fresh, dpi=110, format=kind)


def play(
    file: Path, policy: Literal["base-stock", "random"], out: Path, horizon: int, seed: int
) -> str:
    """Play an episode of a network in a file, draw it, and return a line that says how it went."""
    network = Network.load(file)
    image_format(out)  # before the episode, which takes a while
    moves = episode(network, policy, horizon, seed)
    draw(network, moves, out)
    sold, unmet = moves.outbound.sum(), moves.lost.sum()
    return (
        f"{policy}, {horizon} periods: reward {moves.reward.sum():,.1f}, {sold:,.0f} units sold, "
        f"{unmet:,.0f} lost; {out}"
    )
