"""The differentiable simulator: dynamics, kernels' protocol, scenarios and Gymnasium adapters."""

from simulator.core import Simulator, discounted_return
from simulator.draws import hard_draw, lesser, round_shipments, straight_through
from simulator.dynamics import Acted, act, observe, settle
from simulator.kernels import LocalDemand, LocalDemandParams
from simulator.types import (
    Drain,
    DrainKernel,
    History,
    Initial,
    Observation,
    Params,
    Policy,
    PyTree,
    Scenario,
    Series,
    State,
    Trajectory,
    Transition,
)

__all__ = [
    "Acted",
    "Drain",
    "DrainKernel",
    "History",
    "Initial",
    "LocalDemand",
    "LocalDemandParams",
    "Observation",
    "Params",
    "Policy",
    "PyTree",
    "Scenario",
    "Series",
    "Simulator",
    "State",
    "Trajectory",
    "Transition",
    "act",
    "discounted_return",
    "hard_draw",
    "lesser",
    "observe",
    "round_shipments",
    "settle",
    "straight_through",
]
