"""The oracle: production systems emulated view by view, and what is measured against them."""

from oracle.config import OracleConfig
from oracle.fulfilment import PeriodOutcome, drain_period
from oracle.ship_cost import box_regression
from oracle.systems import Systems, build_systems

__all__ = [
    "OracleConfig",
    "PeriodOutcome",
    "Systems",
    "box_regression",
    "build_systems",
    "drain_period",
]
