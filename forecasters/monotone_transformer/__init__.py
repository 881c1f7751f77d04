"""Zalando's transformer: a masked encoder, near and far decoders, demand monotone in the discount.

Source: Kunz et al. 2023, *Deep Learning based Forecasting: a case study from the online fashion
industry*.
"""

from draingym.forecasters.monotone_transformer.imputation import impute_demand, size_shares
from draingym.forecasters.monotone_transformer.losses import demand_bias, demand_error
from draingym.forecasters.monotone_transformer.model import MonotoneTransformer
from draingym.forecasters.monotone_transformer.price import PriceCurves, price_curves

__all__ = [
    "MonotoneTransformer",
    "PriceCurves",
    "demand_bias",
    "demand_error",
    "impute_demand",
    "price_curves",
    "size_shares",
]
