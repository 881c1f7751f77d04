"""The drain model: learned outbound and cost of every node, and the closest-node baseline.

A name loads its module, and what that needs, when it is first used: the closest node needs no Flax.
"""

from typing import TYPE_CHECKING

from draingym.common.lazy import lazy_names

if TYPE_CHECKING:
    from draingym.drain_model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
    from draingym.drain_model.closest_node.fit import (
        fit_closest_node,
        max_orders_for,
        sample_closest_node,
    )
    from draingym.drain_model.closest_node.kernel import ClosestNode, ClosestNodeParams
    from draingym.drain_model.config import PRESETS, DrainConfig
    from draingym.drain_model.data.dataset import DrainData, Geography, Inputs
    from draingym.drain_model.data.statistics import Statistics
    from draingym.drain_model.data.streaming import PanelStream
    from draingym.drain_model.distributions.coherent import Coherent
    from draingym.drain_model.distributions.copula import Copula
    from draingym.drain_model.distributions.hybrid import Hybrid
    from draingym.drain_model.distributions.independent import Independent
    from draingym.drain_model.distributions.joints import Joint
    from draingym.drain_model.distributions.marginals import censored_draw
    from draingym.drain_model.ensemble import EnsembleDrain
    from draingym.drain_model.evaluation.evaluate import Evaluation, evaluate
    from draingym.drain_model.evaluation.sampling import sample_panel
    from draingym.drain_model.kernel import LearnedDrain, LearnedParams
    from draingym.drain_model.network.drain_network import DrainNetwork
    from draingym.drain_model.training.run import Trained, train
    from draingym.drain_model.training.state import Progress

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
    "Evaluation",
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
    "evaluate",
    "fit_closest_node",
    "load_checkpoint",
    "max_orders_for",
    "sample_closest_node",
    "sample_panel",
    "save_checkpoint",
    "train",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "draingym.drain_model.checkpoint": (
            "Checkpoint",
            "load_checkpoint",
            "save_checkpoint",
        ),
        "draingym.drain_model.closest_node.kernel": (
            "ClosestNode",
            "ClosestNodeParams",
        ),
        "draingym.drain_model.closest_node.fit": (
            "fit_closest_node",
            "max_orders_for",
            "sample_closest_node",
        ),
        "draingym.drain_model.config": (
            "PRESETS",
            "DrainConfig",
        ),
        "draingym.drain_model.data.dataset": (
            "DrainData",
            "Geography",
            "Inputs",
        ),
        "draingym.drain_model.data.statistics": ("Statistics",),
        "draingym.drain_model.ensemble": ("EnsembleDrain",),
        "draingym.drain_model.distributions.hybrid": ("Hybrid",),
        "draingym.drain_model.distributions.coherent": ("Coherent",),
        "draingym.drain_model.distributions.copula": ("Copula",),
        "draingym.drain_model.distributions.independent": ("Independent",),
        "draingym.drain_model.distributions.joints": ("Joint",),
        "draingym.drain_model.kernel": (
            "LearnedDrain",
            "LearnedParams",
        ),
        "draingym.drain_model.distributions.marginals": ("censored_draw",),
        "draingym.drain_model.network.drain_network": ("DrainNetwork",),
        "draingym.drain_model.evaluation.evaluate": (
            "Evaluation",
            "evaluate",
        ),
        "draingym.drain_model.evaluation.sampling": ("sample_panel",),
        "draingym.drain_model.data.streaming": ("PanelStream",),
        "draingym.drain_model.training.run": (
            "Trained",
            "train",
        ),
        "draingym.drain_model.training.state": ("Progress",),
    },
)
