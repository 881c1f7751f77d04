"""draingym: a differentiable, multi-echelon inventory gym with a learned drain model.

Start with ``single_store`` or ``Simulator``, a policy such as ``BaseStock``, and ``jax.grad``.
"""

from importlib.metadata import version

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
