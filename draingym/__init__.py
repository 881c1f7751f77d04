"""draingym: a differentiable, multi-echelon inventory gym with a learned drain model.

Start with ``single_store`` or ``Simulator``, a policy such as ``BaseStock``, and ``jax.grad``.
"""

from importlib.metadata import version

from draingym.registration import register_envs
from policies import BaseStock, NeuralPlacement, OrderUpTo, train_by_gradient, tune
from simulator import (
    FunctionalEnv,
    InventoryEnv,
    InventoryVectorEnv,
    LocalDemand,
    Params,
    Scenario,
    Simulator,
    make,
    make_gymnax,
    make_params,
    scenario_from_views,
    single_store,
)

__version__ = version("draingym")

__all__ = [
    "BaseStock",
    "FunctionalEnv",
    "InventoryEnv",
    "InventoryVectorEnv",
    "LocalDemand",
    "NeuralPlacement",
    "OrderUpTo",
    "Params",
    "Scenario",
    "Simulator",
    "make",
    "make_gymnax",
    "make_params",
    "scenario_from_views",
    "single_store",
    "train_by_gradient",
    "tune",
]

register_envs()
