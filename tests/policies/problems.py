"""Probe problems whose optimum is known, as windows that trainers take."""

import jax
import jax.numpy as jnp
import numpy as np

from draingym.policies import Tree, WindowTask
from draingym.simulator import Observation, single_store, windows_from_scenarios


def store_windows(products=32, periods=60, lead_time=1):
    """Backlogged stores with Normal(5, 1.6) demand: the best level is known for each lead time."""
    simulator, params, sample = single_store(lead_time=lead_time, unmet_cost=9.0)
    keys = jax.random.split(jax.random.key(5), products)
    scenarios = jax.vmap(lambda key: sample(key, periods))(keys)
    lead = jax.nn.one_hot(jnp.array([lead_time]), lead_time + 1)
    return simulator, params, windows_from_scenarios(simulator, params, scenarios, lead)


def store_task(products=32, periods=60, lead_time=1):
    """The same, as a task."""
    simulator, params, windows = store_windows(products, periods, lead_time)
    return WindowTask(params=params, windows=windows, simulator=simulator, horizon=periods)


def small_tree():
    """One upstream node, three fulfilment nodes on a line, four regions between them."""
    x = np.array([0.0, 0.0, 1.0, 2.0])
    z = np.array([0.0, 0.4, 1.1, 2.2])
    parent = jnp.array([-1, 0, 0, 0])
    descends = np.eye(4, dtype=bool)
    descends[0] = True
    return Tree(
        parent=parent,
        descends=jnp.asarray(descends),
        serves=jnp.array([False, True, True, True]),
        distance=jnp.asarray(np.abs(x[:, None] - z[None, :]), jnp.float32),
        population=jnp.array([0.4, 0.2, 0.3, 0.1]),
    )


def observation(on_hand, pipeline=None, forecast=(1.0, 1.0, 1.0, 1.0), active=None):
    """What a policy sees in ``small_tree``."""
    on_hand = jnp.asarray(on_hand, jnp.float32)
    nodes = on_hand.shape[0]
    return Observation(
        on_hand=on_hand,
        pipeline=jnp.zeros((2, nodes)) if pipeline is None else jnp.asarray(pipeline, jnp.float32),
        waiting=jnp.zeros(nodes),
        active=jnp.ones(nodes, bool) if active is None else jnp.asarray(active),
        forecast=jnp.asarray(forecast, jnp.float32),
        price=jnp.float32(20.0),
        unit_cost=jnp.float32(12.0),
        attributes=jnp.array([0.3, -0.2]),
        calendar=jnp.array([0.1]),
    )
