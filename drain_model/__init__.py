"""The drain model: learned outbound and cost of every node, and the closest-node baseline.

A name loads its module, and what that needs, when it is first used: the closest node needs no Flax.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from drain_model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
    from drain_model.closest_node import ClosestNode, ClosestNodeParams
    from drain_model.closest_node_fit import (
        fit_closest_node,
        max_orders_for,
        sample_closest_node,
    )
    from drain_model.config import PRESETS, DrainConfig
    from drain_model.data import DrainData, Geography, Inputs, Statistics
    from drain_model.ensemble import EnsembleDrain
    from drain_model.heads import Hybrid
    from drain_model.joints import Coherent, Copula, Independent, Joint
    from drain_model.kernel import LearnedDrain, LearnedParams
    from drain_model.marginals import censored_draw
    from drain_model.network import DrainNetwork
    from drain_model.sampling import sample_panel
    from drain_model.streaming import PanelStream
    from drain_model.training import Trained, train
    from drain_model.training_state import Progress

__all__ = [
    "PRESETS",
    "Checkpoint",
    "ClosestNode",
    "ClosestNodeParams",
    "Coherent",
    "Copula",
    "DrainConfig",
    "DrainData",
    "DrainNetwork",
    "EnsembleDrain",
    "Geography",
    "Hybrid",
    "Independent",
    "Inputs",
    "Joint",
    "LearnedDrain",
    "LearnedParams",
    "PanelStream",
    "Progress",
    "Statistics",
    "Trained",
    "censored_draw",
    "fit_closest_node",
    "load_checkpoint",
    "max_orders_for",
    "sample_closest_node",
    "sample_panel",
    "save_checkpoint",
    "train",
]

_WHERE = {
    "checkpoint": (
        "Checkpoint",
        "load_checkpoint",
        "save_checkpoint",
    ),
    "closest_node": (
        "ClosestNode",
        "ClosestNodeParams",
    ),
    "closest_node_fit": (
        "fit_closest_node",
        "max_orders_for",
        "sample_closest_node",
    ),
    "config": (
        "PRESETS",
        "DrainConfig",
    ),
    "data": (
        "DrainData",
        "Geography",
        "Inputs",
        "Statistics",
    ),
    "ensemble": ("EnsembleDrain",),
    "heads": ("Hybrid",),
    "joints": (
        "Coherent",
        "Copula",
        "Independent",
        "Joint",
    ),
    "kernel": (
        "LearnedDrain",
        "LearnedParams",
    ),
    "marginals": ("censored_draw",),
    "network": ("DrainNetwork",),
    "sampling": ("sample_panel",),
    "streaming": ("PanelStream",),
    "training": (
        "Trained",
        "train",
    ),
    "training_state": ("Progress",),
}
_MODULE = {name: module for module, names in _WHERE.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"drain_model.{_MODULE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
