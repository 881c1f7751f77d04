"""A spread of policies to validate a simulator with: lean to flooded, lopsided, old and new.

Rank correlation over a few good policies says little; a simulator that is to be trusted must value
bad ones right, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from draingym.policies.networks.neural import NeuralPlacement
from draingym.policies.rules.base_stock import OrderUpToParams
from draingym.policies.tree import require_fit
from draingym.simulator import Observation, Policy, PyTree
from draingym.world.network import Network

BASELINE = "order up to"  # what the policy is called that a spread is around
BUY_FACTORS = (0.5, 0.8, 1.25, 2.0)  # of the tuned policy's covers
PLACE_FACTORS = (0.1, 0.4, 1.0)  # more is not there to be placed: it was not bought
# Where nothing is placed, because the vendor replenishes every node: as many policies, all others.
BUY_FACTORS_ALONE = (0.3, 0.4, 0.5, 0.65, 0.8, 0.9, 1.1, 1.25, 1.5, 2.0, 2.5, 3.0)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class PerturbedParams:
    """A policy's parameters, and how far its requests are off."""

    policy: PyTree
    factor: Float[Array, " N"]  # of each node's requests


@dataclass(frozen=True, kw_only=True, slots=True)
class Perturbed:
    """A policy whose requests are off by a factor that every node keeps."""

    policy: Policy
    num_nodes: int
    sd: float = 0.4  # of the factor's logarithm

    def init(self, key: Array) -> PerturbedParams:
        """Return the policy's own initial parameters, and factors drawn from the key."""
        key_policy, key_factor = jax.random.split(key)
        return self.around(self.policy.init(key_policy), key_factor)

    def around(self, params: PyTree, key: Array) -> PerturbedParams:
        """Return given parameters of the policy with factors drawn from the key."""
        return PerturbedParams(policy=params, factor=_factors(key, self.num_nodes, self.sd))

    def apply(
        self, params: PerturbedParams, observation: Observation, key: Array
    ) -> Float[Array, " N"]:
        """Return the policy's requests times the factors."""
        require_fit(observation, nodes=self.num_nodes)
        return self.policy.apply(params.policy, observation, key) * params.factor


@partial(jax.jit, static_argnums=1)
def _factors(key: Array, nodes: int, sd: float) -> Float[Array, " N"]:
    return jnp.exp(sd * jax.random.normal(key, (nodes,)))


def _times(factor: float, cover: Array) -> Any:
    """Return a cover times a factor, on the host."""
    return np.float32(factor) * np.asarray(cover)


def covers_times(around: OrderUpToParams, buy: float, place: float) -> OrderUpToParams:
    """Return order-up-to parameters with both covers times a factor, on the host."""
    return OrderUpToParams(
        buy_cover=_times(buy, around.buy_cover),
        place_cover=_times(place, around.place_cover),
        safety=around.safety,
    )


def order_up_to_grid(
    policy: Policy, around: OrderUpToParams, *, places: bool = True
) -> dict[str, tuple[Policy, PyTree]]:
    """Return order-up-to policies at a grid of covers around given ones.

    Args:
        policy: An ``OrderUpTo``, of any kind that takes its parameters.
        around: Covers that ``BUY_FACTORS`` and ``PLACE_FACTORS`` multiply.
        places: Whether any node is replenished by another. If none is, the cover that is placed
            says nothing, and ``BUY_FACTORS_ALONE`` make as many policies that differ.

    Example:
        >>> from draingym.policies import OrderUpTo, tree_of
        >>> from draingym.world.network import NetworkConfig, build_network
        >>> tree = tree_of(build_network(NetworkConfig(num_nodes=2, num_regions=4)))
        >>> around = OrderUpToParams(
        ...     buy_cover=jnp.float32(14.0), place_cover=jnp.float32(7.0), safety=jnp.float32(1.0)
        ... )
        >>> grid = order_up_to_grid(OrderUpTo(tree=tree), around, places=False)
        >>> len(grid), sorted(grid)[0]
        (12, 'up to 0.3x bought')
    """
    if not places:
        return {
            f"up to {b:g}x bought": (policy, covers_times(around, b, 1.0))
            for b in BUY_FACTORS_ALONE
        }
    return {
        f"up to {b:g}x bought, {p:g}x placed": (policy, covers_times(around, b, p))
        for b in BUY_FACTORS
        for p in PLACE_FACTORS
    }


def perturbed(
    policies: Mapping[str, tuple[Policy, PyTree]],
    num_nodes: int,
    copies: int = 2,
    *,
    sd: float = 0.4,
    seed: int = 0,
) -> dict[str, tuple[Policy, PyTree]]:
    """Return perturbed copies of policies.

    Args:
        policies: What is perturbed, by name.
        num_nodes: Nodes, ``N``.
        copies: Of each policy, all perturbed otherwise.
        sd: Of the logarithm of the factors on requests.
        seed: Of the factors.

    Example:
        >>> from draingym.policies import BaseStock
        >>> policies = {"base stock": (BaseStock(), jnp.float32(12.0))}
        >>> copies = perturbed(policies, num_nodes=1, copies=2)
        >>> list(copies)
        ['base stock, perturbed 1', 'base stock, perturbed 2']
    """
    made: dict[str, tuple[Policy, PyTree]] = {}
    for k, (name, (policy, params)) in enumerate(policies.items()):
        wrapped = Perturbed(policy=policy, num_nodes=num_nodes, sd=sd)
        key = jax.random.fold_in(jax.random.key(seed), k)
        for copy, one in enumerate(jax.random.split(key, copies), start=1):
            made[f"{name}, perturbed {copy}"] = (wrapped, wrapped.around(params, one))
    return made


def jittered(
    name: str, policy: Policy, params: PyTree, copies: int = 2, *, sd: float = 0.1, seed: int = 0
) -> dict[str, tuple[Policy, PyTree]]:
    """Return copies of a policy whose parameters are off: ``x (1 + sd e)``, e standard normal.

    The policy stays the same object, so that one compiled program serves all copies.

    Args:
        name: Of the policy.
        policy: What acts.
        params: Its parameters.
        copies: How many, all different.
        sd: Of a parameter's relative error.
        seed: Of the errors.
    """
    key = jax.random.key(seed)
    return {
        f"{name}, jittered {copy + 1}": (policy, _jittered(params, sd, key, np.int32(copy)))
        for copy in range(copies)
    }


@jax.jit  # one program instead of many small ones
def _jittered(params: PyTree, sd: float, key: Array, copy: Array) -> PyTree:
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.fold_in(key, copy), len(leaves))
    off = [
        leaf * (1.0 + sd * jax.random.normal(key, jnp.shape(leaf)))
        for key, leaf in zip(keys, leaves, strict=True)
    ]
    return jax.tree.unflatten(structure, off)


def spread_around(
    own: Mapping[str, tuple[Policy, PyTree]], network: Network, seed: int
) -> dict[str, tuple[Policy, PyTree]]:
    """Return policies, and around them what ranks are judged by.

    Those are order-up-to at a grid of covers, perturbed copies of the baseline, and of each neural
    policy one that was not trained and jittered ones.

    Args:
        own: By name; ``BASELINE`` is an ``OrderUpTo``, around whose covers the grid is.
        network: What they place in.
        seed: Of the policy that was not trained.
    """
    baseline = {BASELINE: own[BASELINE]}
    neural = {name: one for name, one in own.items() if isinstance(one[0], NeuralPlacement)}
    spread = dict(own)
    for name, (policy, _) in neural.items():
        spread[f"{name}, untrained"] = (policy, policy.init(jax.random.key(seed)))
    places = bool((np.asarray(network.parent) >= 0).any())
    spread |= order_up_to_grid(*own[BASELINE], places=places)
    spread |= perturbed(baseline, network.num_nodes)
    for name, one in neural.items():
        spread |= jittered(name, *one)
    return spread
