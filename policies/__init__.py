"""Placement policies, their trainers, bounds, and off-policy validation.

A name loads its module, and what that needs, when it is first used.
"""

from typing import TYPE_CHECKING

from draingym.common.lazy import lazy_names

if TYPE_CHECKING:
    from draingym.policies.acting import Agent, CutRequestsWarning, room_for
    from draingym.policies.bounds.hindsight import Hindsight, hindsight_plan, hindsight_values
    from draingym.policies.bounds.lost_sales import LostSales, optimal_cost, optimal_orders
    from draingym.policies.bounds.optimal import discretise, serial_optimum
    from draingym.policies.capacity.price_forecast import (
        PriceForecast,
        calibrate,
        fit_price_forecast,
        price_features,
    )
    from draingym.policies.capacity.prices import (
        CapacityConfig,
        CapacityPrices,
        CapacityRollouts,
        PriceResponsive,
        PriceResponsiveParams,
        Violation,
        dual_ascent,
        violation,
    )
    from draingym.policies.episodes import EpisodeTask, environment_of, task_of
    from draingym.policies.evaluate import simulated_values
    from draingym.policies.forecasting.demand import PathDemand
    from draingym.policies.forecasting.generated import generated_windows
    from draingym.policies.forecasting.observed import forecast_market, forecast_windows
    from draingym.policies.forecasting.stockouts import stockout_probability
    from draingym.policies.networks.gaussian import GaussianPolicy
    from draingym.policies.networks.mlp import MLPPolicy
    from draingym.policies.networks.neural import NeuralPlacement
    from draingym.policies.rules.base_stock import BaseStock, OrderUpTo, OrderUpToParams
    from draingym.policies.rules.echelon import (
        CappedBaseStock,
        CappedParams,
        EchelonBaseStock,
        EqualFractile,
        ReorderPoint,
        ReorderPointParams,
    )
    from draingym.policies.rules.forecast_levels import (
        ForecastBaseStock,
        ForecastLevels,
        ImitatedBaseStock,
        ImitatedParams,
    )
    from draingym.policies.rules.historical import Historical
    from draingym.policies.rules.placement import (
        CappedCoverParams,
        CappedOrderUpTo,
        CoverReorder,
        DemandProportional,
        DistanceAware,
        DistanceParams,
        Newsvendor,
        NewsvendorParams,
        OrderUpToPerNode,
        PerNodeParams,
        ProportionalParams,
        ReorderParams,
    )
    from draingym.policies.rules.scenario_program import ScenarioParams, ScenarioProgram
    from draingym.policies.rules.suite import Baseline, baseline_suite, serial_suite, store_suite
    from draingym.policies.rules.tabular import TabularOrders
    from draingym.policies.rules.transport import (
        RollingHorizon,
        RollingParams,
        TransportParams,
        TransportPlacement,
    )
    from draingym.policies.store import (
        load_parameters,
        load_policy,
        policy_world,
        save_parameters,
        save_policy,
    )
    from draingym.policies.task import SampledTask, Task, WindowTask
    from draingym.policies.training.env_ppo import EnvPPO, Trained, train_ppo
    from draingym.policies.training.evolution import EvolutionStrategy
    from draingym.policies.training.imitation import imitate_plans
    from draingym.policies.training.loop import train_policies, train_policy
    from draingym.policies.training.method import (
        Evaluated,
        Hyper,
        Method,
        NonFiniteGradientError,
        TrainConfig,
        TrainResult,
        hyper_of,
    )
    from draingym.policies.training.pathwise import (
        PathwiseGradient,
        TruncatedGradient,
        train_by_gradient,
    )
    from draingym.policies.training.ppo import PPO
    from draingym.policies.training.score_function import ScoreFunction
    from draingym.policies.training.tune import TuneConfig, TuneResult, tune
    from draingym.policies.tree import Tree, catchment_share, echelon_position, tree_of
    from draingym.policies.validation.candidates import order_up_to_grid, perturbed
    from draingym.policies.validation.checked import checked_rollouts
    from draingym.policies.validation.fine_tuning import FineTuneConfig, FineTuned, fine_tune, label
    from draingym.policies.validation.one_step import OneStep
    from draingym.policies.validation.overlap import overlap_notes
    from draingym.policies.validation.pessimism import PessimisticSimulator
    from draingym.policies.validation.validate import Validation, validate
    from draingym.policies.validation.verdict import Thresholds, Verdict, judge

__all__ = [
    "PPO",
    "Agent",
    "BaseStock",
    "Baseline",
    "CapacityConfig",
    "CapacityPrices",
    "CapacityRollouts",
    "CappedBaseStock",
    "CappedCoverParams",
    "CappedOrderUpTo",
    "CappedParams",
    "CoverReorder",
    "CutRequestsWarning",
    "DemandProportional",
    "DistanceAware",
    "DistanceParams",
    "EchelonBaseStock",
    "EnvPPO",
    "EpisodeTask",
    "EqualFractile",
    "Evaluated",
    "EvolutionStrategy",
    "FineTuneConfig",
    "FineTuned",
    "ForecastBaseStock",
    "ForecastLevels",
    "GaussianPolicy",
    "Hindsight",
    "Historical",
    "Hyper",
    "ImitatedBaseStock",
    "ImitatedParams",
    "LostSales",
    "MLPPolicy",
    "Method",
    "NeuralPlacement",
    "Newsvendor",
    "NewsvendorParams",
    "NonFiniteGradientError",
    "OneStep",
    "OrderUpTo",
    "OrderUpToParams",
    "OrderUpToPerNode",
    "PathDemand",
    "PathwiseGradient",
    "PerNodeParams",
    "PessimisticSimulator",
    "PriceForecast",
    "PriceResponsive",
    "PriceResponsiveParams",
    "ProportionalParams",
    "ReorderParams",
    "ReorderPoint",
    "ReorderPointParams",
    "RollingHorizon",
    "RollingParams",
    "SampledTask",
    "ScenarioParams",
    "ScenarioProgram",
    "ScoreFunction",
    "TabularOrders",
    "Task",
    "Thresholds",
    "TrainConfig",
    "TrainResult",
    "Trained",
    "TransportParams",
    "TransportPlacement",
    "Tree",
    "TruncatedGradient",
    "TuneConfig",
    "TuneResult",
    "Validation",
    "Verdict",
    "Violation",
    "WindowTask",
    "baseline_suite",
    "calibrate",
    "catchment_share",
    "checked_rollouts",
    "discretise",
    "dual_ascent",
    "echelon_position",
    "environment_of",
    "fine_tune",
    "fit_price_forecast",
    "forecast_market",
    "forecast_windows",
    "generated_windows",
    "hindsight_plan",
    "hindsight_values",
    "hyper_of",
    "imitate_plans",
    "judge",
    "label",
    "load_parameters",
    "load_policy",
    "optimal_cost",
    "optimal_orders",
    "order_up_to_grid",
    "overlap_notes",
    "perturbed",
    "policy_world",
    "price_features",
    "room_for",
    "save_parameters",
    "save_policy",
    "serial_optimum",
    "serial_suite",
    "simulated_values",
    "stockout_probability",
    "store_suite",
    "task_of",
    "train_by_gradient",
    "train_policies",
    "train_policy",
    "train_ppo",
    "tree_of",
    "tune",
    "validate",
    "violation",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "draingym.policies.acting": ("Agent", "CutRequestsWarning", "room_for"),
        "draingym.policies.bounds.hindsight": (
            "Hindsight",
            "hindsight_plan",
            "hindsight_values",
        ),
        "draingym.policies.bounds.lost_sales": (
            "LostSales",
            "optimal_cost",
            "optimal_orders",
        ),
        "draingym.policies.bounds.optimal": (
            "discretise",
            "serial_optimum",
        ),
        "draingym.policies.capacity.price_forecast": (
            "PriceForecast",
            "calibrate",
            "fit_price_forecast",
            "price_features",
        ),
        "draingym.policies.capacity.prices": (
            "CapacityConfig",
            "CapacityPrices",
            "CapacityRollouts",
            "PriceResponsive",
            "PriceResponsiveParams",
            "Violation",
            "dual_ascent",
            "violation",
        ),
        "draingym.policies.episodes": ("EpisodeTask", "environment_of", "task_of"),
        "draingym.policies.evaluate": ("simulated_values",),
        "draingym.policies.forecasting.demand": ("PathDemand",),
        "draingym.policies.forecasting.generated": ("generated_windows",),
        "draingym.policies.forecasting.observed": ("forecast_market", "forecast_windows"),
        "draingym.policies.forecasting.stockouts": ("stockout_probability",),
        "draingym.policies.networks.gaussian": ("GaussianPolicy",),
        "draingym.policies.networks.mlp": ("MLPPolicy",),
        "draingym.policies.networks.neural": ("NeuralPlacement",),
        "draingym.policies.rules.base_stock": (
            "BaseStock",
            "OrderUpTo",
            "OrderUpToParams",
        ),
        "draingym.policies.rules.echelon": (
            "CappedBaseStock",
            "CappedParams",
            "EchelonBaseStock",
            "EqualFractile",
            "ReorderPoint",
            "ReorderPointParams",
        ),
        "draingym.policies.rules.forecast_levels": (
            "ForecastBaseStock",
            "ForecastLevels",
            "ImitatedBaseStock",
            "ImitatedParams",
        ),
        "draingym.policies.rules.historical": ("Historical",),
        "draingym.policies.rules.placement": (
            "CappedCoverParams",
            "CappedOrderUpTo",
            "CoverReorder",
            "DemandProportional",
            "DistanceAware",
            "DistanceParams",
            "Newsvendor",
            "NewsvendorParams",
            "OrderUpToPerNode",
            "PerNodeParams",
            "ProportionalParams",
            "ReorderParams",
        ),
        "draingym.policies.rules.scenario_program": (
            "ScenarioParams",
            "ScenarioProgram",
        ),
        "draingym.policies.rules.suite": (
            "Baseline",
            "baseline_suite",
            "serial_suite",
            "store_suite",
        ),
        "draingym.policies.rules.tabular": ("TabularOrders",),
        "draingym.policies.rules.transport": (
            "RollingHorizon",
            "RollingParams",
            "TransportParams",
            "TransportPlacement",
        ),
        "draingym.policies.store": (
            "load_parameters",
            "load_policy",
            "policy_world",
            "save_parameters",
            "save_policy",
        ),
        "draingym.policies.task": (
            "SampledTask",
            "Task",
            "WindowTask",
        ),
        "draingym.policies.training.env_ppo": ("EnvPPO", "Trained", "train_ppo"),
        "draingym.policies.training.evolution": ("EvolutionStrategy",),
        "draingym.policies.training.imitation": ("imitate_plans",),
        "draingym.policies.training.loop": (
            "train_policies",
            "train_policy",
        ),
        "draingym.policies.training.method": (
            "Evaluated",
            "Hyper",
            "Method",
            "NonFiniteGradientError",
            "TrainConfig",
            "TrainResult",
            "hyper_of",
        ),
        "draingym.policies.training.pathwise": (
            "PathwiseGradient",
            "TruncatedGradient",
            "train_by_gradient",
        ),
        "draingym.policies.training.ppo": ("PPO",),
        "draingym.policies.training.score_function": ("ScoreFunction",),
        "draingym.policies.training.tune": (
            "TuneConfig",
            "TuneResult",
            "tune",
        ),
        "draingym.policies.tree": (
            "Tree",
            "catchment_share",
            "echelon_position",
            "tree_of",
        ),
        "draingym.policies.validation.candidates": (
            "order_up_to_grid",
            "perturbed",
        ),
        "draingym.policies.validation.checked": ("checked_rollouts",),
        "draingym.policies.validation.fine_tuning": (
            "FineTuneConfig",
            "FineTuned",
            "fine_tune",
            "label",
        ),
        "draingym.policies.validation.one_step": ("OneStep",),
        "draingym.policies.validation.overlap": ("overlap_notes",),
        "draingym.policies.validation.pessimism": ("PessimisticSimulator",),
        "draingym.policies.validation.validate": (
            "Validation",
            "validate",
        ),
        "draingym.policies.validation.verdict": (
            "Thresholds",
            "Verdict",
            "judge",
        ),
    },
)
