"""The drain model: learned outbound and cost of every node, and the closest-node baseline."""

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
from drain_model.train import Trained, train
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
