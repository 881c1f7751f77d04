"""The differentiable simulator: dynamics, kernels' protocol, scenarios and Gymnasium adapters."""

from draingym.simulator.adapters.functional import (
    EnvState,
    FunctionalEnv,
    flatten_observation,
    observation_names,
)
from draingym.simulator.adapters.gymnasium_env import InventoryEnv, make
from draingym.simulator.adapters.gymnax_adapter import (
    GymnaxEnv,
    GymnaxParams,
    GymnaxState,
    make_gymnax,
)
from draingym.simulator.adapters.scene import Painter, Scene
from draingym.simulator.adapters.vector_env import InventoryVectorEnv
from draingym.simulator.batch import KEPT, batch_last, batch_returns, chunked_value_and_grad
from draingym.simulator.batch_axis import vmap_last
from draingym.simulator.bounds import LARGEST
from draingym.simulator.checks import check_requests, check_stock
from draingym.simulator.core import Simulator, discounted_return
from draingym.simulator.decisions import Deciding, RandomReorder, decision_returns
from draingym.simulator.draws import (
    hard_draw,
    lesser,
    round_shipments,
    split_shipments,
    straight_through,
)
from draingym.simulator.dynamics import Acted, act, observe
from draingym.simulator.finite.find import find_non_finite
from draingym.simulator.finite.walk import NonFinite
from draingym.simulator.kernels import LocalDemand, LocalDemandParams
from draingym.simulator.params import Economics, make_params, params_from_network
from draingym.simulator.problems.classic import (
    serial_in_transit,
    serial_line,
    single_store,
    transshipment,
)
from draingym.simulator.problems.pricing import (
    PricedDemand,
    PricedDemandParams,
    PricedSimulator,
    PriceResponse,
    demand_level,
    demand_lift,
    make_price_response,
)
from draingym.simulator.requests import requests_of
from draingym.simulator.rounded import rounded_return
from draingym.simulator.scenarios.demand import (
    Demand,
    Deterministic,
    NegativeBinomial,
    Normal,
    Poisson,
)
from draingym.simulator.scenarios.forecasts import last_period, running_mean, smoothed
from draingym.simulator.scenarios.generative import ViewProcess, fit_views, sample_views
from draingym.simulator.scenarios.noise import sample_noise, sample_supply
from draingym.simulator.scenarios.series import (
    HISTORY_LENGTH,
    initial_from_panel,
    make_market,
    market_from_panel,
    scenario_from_views,
)
from draingym.simulator.scenarios.windows import (
    Windows,
    make_windows,
    window,
    windows_from_scenarios,
)
from draingym.simulator.settlement import settle
from draingym.simulator.terms import Assembly, DrawnAges, Perishable, Storage, Terms
from draingym.simulator.types import (
    MOST_UNITS,
    Drain,
    DrainKernel,
    Dynamics,
    History,
    Initial,
    Market,
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
    "HISTORY_LENGTH",
    "KEPT",
    "LARGEST",
    "MOST_UNITS",
    "Acted",
    "Assembly",
    "Deciding",
    "Demand",
    "Deterministic",
    "Drain",
    "DrainKernel",
    "DrawnAges",
    "Dynamics",
    "Economics",
    "EnvState",
    "FunctionalEnv",
    "GymnaxEnv",
    "GymnaxParams",
    "GymnaxState",
    "History",
    "Initial",
    "InventoryEnv",
    "InventoryVectorEnv",
    "LocalDemand",
    "LocalDemandParams",
    "Market",
    "NegativeBinomial",
    "NonFinite",
    "Normal",
    "Observation",
    "Painter",
    "Params",
    "Perishable",
    "Poisson",
    "Policy",
    "PriceResponse",
    "PricedDemand",
    "PricedDemandParams",
    "PricedSimulator",
    "PyTree",
    "RandomReorder",
    "Scenario",
    "Scene",
    "Series",
    "Simulator",
    "State",
    "Storage",
    "Terms",
    "Trajectory",
    "Transition",
    "ViewProcess",
    "Windows",
    "act",
    "batch_last",
    "batch_returns",
    "check_requests",
    "check_stock",
    "chunked_value_and_grad",
    "decision_returns",
    "demand_level",
    "demand_lift",
    "discounted_return",
    "find_non_finite",
    "fit_views",
    "flatten_observation",
    "hard_draw",
    "initial_from_panel",
    "last_period",
    "lesser",
    "make",
    "make_gymnax",
    "make_market",
    "make_params",
    "make_price_response",
    "make_windows",
    "market_from_panel",
    "observation_names",
    "observe",
    "params_from_network",
    "requests_of",
    "round_shipments",
    "rounded_return",
    "running_mean",
    "sample_noise",
    "sample_supply",
    "sample_views",
    "scenario_from_views",
    "serial_in_transit",
    "serial_line",
    "settle",
    "single_store",
    "smoothed",
    "split_shipments",
    "straight_through",
    "transshipment",
    "vmap_last",
    "window",
    "windows_from_scenarios",
]
