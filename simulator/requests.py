"""What a policy requests of many products at once, as one program that does nothing else.

A program that a policy is part of is compiled anew for every policy. On the host's side of ``jit``,
where simulator and oracle run many policies one after the other, this is the only such program.
"""

from __future__ import annotations

from functools import partial

import jax
from jaxtyping import Array, Float

from draingym.simulator.types import Observation, Policy, PyTree


@partial(jax.jit, static_argnames="policy")
def requests_of(
    policy: Policy, policy_params: PyTree, observation: Observation, keys: Array
) -> Float[Array, "P N"]:
    """Return the units that every node of every product requests from its parent.

    Args:
        policy: What acts; policies that compare equal share a program.
        policy_params: Its parameters.
        observation: Leaves [P, ...].
        keys: [P], for policies that draw at random.
    """
    units: Array = jax.vmap(policy.apply, in_axes=(None, 0, 0))(policy_params, observation, keys)
    return units
