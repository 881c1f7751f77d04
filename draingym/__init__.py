"""draingym: a differentiable, multi-echelon inventory gym with a learned drain model.

Start with ``single_store`` or ``Simulator``, a policy such as ``BaseStock``, and ``jax.grad``.

Importing it registers the Gymnasium environments, and loads nothing else: each name below loads
what it needs when it is first used. Before JAX computes anything, each core becomes a device of it,
unless its user chose the devices, or ``DRAINGYM_DEVICES`` is 1.
"""

from importlib.metadata import version
from typing import TYPE_CHECKING

from draingym.common.lazy import ask_once_jax_is_there, lazy_names
from draingym.registration import register_envs

if TYPE_CHECKING:
    from draingym.common.shared_jit import jit
    from draingym.envs.make import make
    from draingym.networks.ages import AgeOdds
    from draingym.networks.description import Arc, Node, Store
    from draingym.networks.network import Network
    from draingym.networks.registering import register
    from draingym.policies import (
        BaseStock,
        CappedBaseStock,
        EchelonBaseStock,
        EqualFractile,
        NeuralPlacement,
        OrderUpTo,
        train_by_gradient,
        tune,
    )
    from draingym.simulator import (
        Dynamics,
        FunctionalEnv,
        InventoryEnv,
        InventoryVectorEnv,
        LocalDemand,
        NegativeBinomial,
        Normal,
        Params,
        Poisson,
        Scenario,
        Simulator,
        batch_returns,
        chunked_value_and_grad,
        find_non_finite,
        make_gymnax,
        make_params,
        scenario_from_views,
        serial_in_transit,
        serial_line,
        single_store,
        transshipment,
    )

__version__ = version("draingym")

__all__ = [
    "AgeOdds",
    "Arc",
    "BaseStock",
    "CappedBaseStock",
    "Dynamics",
    "EchelonBaseStock",
    "EqualFractile",
    "FunctionalEnv",
    "InventoryEnv",
    "InventoryVectorEnv",
    "LocalDemand",
    "NegativeBinomial",
    "Network",
    "NeuralPlacement",
    "Node",
    "Normal",
    "OrderUpTo",
    "Params",
    "Poisson",
    "Scenario",
    "Simulator",
    "Store",
    "batch_returns",
    "chunked_value_and_grad",
    "find_non_finite",
    "jit",
    "make",
    "make_gymnax",
    "make_params",
    "register",
    "scenario_from_views",
    "serial_in_transit",
    "serial_line",
    "single_store",
    "train_by_gradient",
    "transshipment",
    "tune",
]

_POLICIES = (
    "BaseStock",
    "CappedBaseStock",
    "EchelonBaseStock",
    "EqualFractile",
    "NeuralPlacement",
    "OrderUpTo",
    "train_by_gradient",
    "tune",
)

_DESCRIPTION = ("Arc", "Node", "Store")
_OTHERS = (*_POLICIES, *_DESCRIPTION, "AgeOdds", "Network", "jit", "make", "register")

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "draingym.common.shared_jit": ("jit",),
        "draingym.envs.make": ("make",),
        "draingym.networks.ages": ("AgeOdds",),
        "draingym.networks.description": _DESCRIPTION,
        "draingym.networks.network": ("Network",),
        "draingym.networks.registering": ("register",),
        "draingym.policies": _POLICIES,
        "draingym.simulator": [name for name in __all__ if name not in _OTHERS],
    },
)

ask_once_jax_is_there()
register_envs()
