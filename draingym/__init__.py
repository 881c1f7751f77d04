"""draingym: a differentiable, multi-echelon inventory gym with a learned drain model.

Start with ``single_store`` or ``Simulator``, a policy such as ``BaseStock``, and ``jax.grad``.
"""

from importlib.metadata import version

import gymnasium

from policies import BaseStock, NeuralPlacement, OrderUpTo, train_by_gradient, tune
from simulator import (
    InventoryEnv,
    LocalDemand,
    Params,
    Scenario,
    Simulator,
    make_params,
    scenario_from_views,
    single_store,
)

__version__ = version("draingym")

__all__ = [
    "BaseStock",
    "InventoryEnv",
    "LocalDemand",
    "NeuralPlacement",
    "OrderUpTo",
    "Params",
    "Scenario",
    "Simulator",
    "make_params",
    "scenario_from_views",
    "single_store",
    "train_by_gradient",
    "tune",
]

gymnasium.register(id="draingym/Placement-v0", entry_point="draingym.envs:placement_env")
gymnasium.register(id="draingym/SingleStore-v0", entry_point="draingym.envs:single_store_env")
