"""Policies that were made for something else than what they are shown are refused in words."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from draingym.policies import (
    BaseStock,
    EchelonBaseStock,
    EqualFractile,
    GaussianPolicy,
    MLPPolicy,
    NeuralPlacement,
    OrderUpTo,
    TabularOrders,
    baseline_suite,
)
from draingym.policies.acting import require_acts
from draingym.policies.capacity.prices import PriceResponsive
from draingym.policies.networks.mlp import ValueNetwork, features
from draingym.policies.validation.candidates import Perturbed
from tests.policies.problems import observation, small_tree

KEY = jax.random.key(0)
TREE = small_tree()
WHOLE = observation([2.0, 4.0, 3.0, 0.0])
FEWER = observation([2.0, 4.0, 3.0])  # nodes
REGIONS = observation([2.0, 4.0, 3.0, 0.0], forecast=(1.0, 2.0))
LONGER = observation([2.0, 4.0, 3.0, 0.0], pipeline=np.zeros((3, 4)))
STORE = observation([2.0], forecast=(1.0,))
INPUTS = int(features(WHOLE).shape[0])

SUITE = baseline_suite(TREE, lead_time=np.eye(3)[[2, 1, 1, 1]])
NEURAL = NeuralPlacement(tree=TREE, num_attributes=2, width=4)
MLP = MLPPolicy(nodes=4, inputs=INPUTS, hidden=(3,))
BY_NODE = {
    **{name: policy for name, (policy, _) in SUITE.items()},
    "neural": NEURAL,
    "mlp": MLP,
    "gaussian": GaussianPolicy(base=OrderUpTo(tree=TREE)),
    "by price": PriceResponsive(base=OrderUpTo(tree=TREE), tree=TREE),
    "perturbed": Perturbed(policy=OrderUpTo(tree=TREE), num_nodes=4),
    "echelon base stock": EchelonBaseStock(parent=(-1, 0, 0, 0)),
    "equal fractile": EqualFractile(mean=(1.0,) * 3, sd=(1.0,) * 3),
}


@pytest.mark.parametrize("policy", BY_NODE.values(), ids=BY_NODE)
def test_a_policy_of_other_nodes_is_refused(policy) -> None:
    params = policy.init(KEY)
    assert policy.apply(params, WHOLE, KEY).shape == (4,)
    require_acts("policy x.npz", policy, params, WHOLE)
    message = "policy is for 4 nodes, must be for 3, those it sees"
    with pytest.raises(ValueError, match=f"^{message}$"):
        policy.apply(params, FEWER, KEY)
    with pytest.raises(ValueError, match=f"^policy x.npz does not act on .* 3 nodes: {message}$"):
        require_acts("policy x.npz", policy, params, FEWER)


@pytest.mark.parametrize(
    ("policy", "shown", "message"),
    [
        (SUITE["newsvendor"][0], REGIONS, "policy is for 4 regions, must be for 2, those it sees"),
        (NEURAL, REGIONS, "policy is for 4 regions, must be for 2, those it sees"),
        (
            NeuralPlacement(tree=TREE, num_attributes=3, width=4),
            WHOLE,
            "policy is for 3 attributes, must be for 2, those it sees",
        ),
        (MLP, LONGER, f"policy is for {INPUTS} inputs, must be for {INPUTS + 4}: what it sees of"),
        (BaseStock(), WHOLE, r"parent is \(-1,\), must have 4 entries: the network's nodes"),
        (
            TabularOrders(table=np.ones((3, 3), int)),
            WHOLE,
            "policy is for 1 nodes, must be for 4, those it sees",
        ),
        (
            TabularOrders(table=np.ones(3, int)),
            STORE,
            "table has 1 axes, must have 2, the periods of lead time",
        ),
    ],
    ids=["regions", "regions of a network", "attributes", "inputs", "store", "table", "lead time"],
)
def test_what_a_policy_was_made_for_is_named(policy, shown, message: str) -> None:
    params = policy.init(KEY)
    with pytest.raises(ValueError, match=f"^{message}"):
        policy.apply(params, shown, KEY)
    with pytest.raises(ValueError, match=f"^it does not act on the network's . nodes: {message}"):
        require_acts("it", policy, params, shown)


def test_a_value_network_of_other_inputs_is_refused() -> None:
    network = ValueNetwork(inputs=INPUTS, hidden=(3,))
    params = network.init(KEY)
    assert network.apply(params, WHOLE, jnp.float32(0.5)).shape == ()
    with pytest.raises(ValueError, match=f"value network is for {INPUTS} inputs, must be for"):
        network.apply(params, LONGER, jnp.float32(0.5))


def test_a_policy_that_asks_for_too_few_nodes_is_refused() -> None:
    class One:
        def init(self, key):
            return jnp.zeros(())

        def apply(self, params, observation, key):
            return jnp.ones(1)

    with pytest.raises(ValueError, match=r"it requests units for \(1,\) nodes, must be \(4,\)"):
        require_acts("it", One(), jnp.zeros(()), WHOLE)


def test_deviations_of_other_stores_are_refused() -> None:
    with pytest.raises(ValueError, match="sd has 2 entries, must have 3, as mean"):
        EqualFractile(mean=(1.0,) * 3, sd=(1.0,) * 2)
