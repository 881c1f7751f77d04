"""TFT-MTL: a temporal fusion transformer for sales, inventory, turnover and stock-outs at once.

Source: Hu, Hu and Li 2025, *Multi-Task Temporal Fusion Transformer for Joint Sales and Inventory
Forecasting*; Lim et al. 2021 where it leaves a part open.
"""

from draingym.forecasters.tft_mtl.explain import Insight, explain
from draingym.forecasters.tft_mtl.losses import efficiency_score
from draingym.forecasters.tft_mtl.model import TFTMTL
from draingym.forecasters.tft_mtl.plots import plot_attention, plot_selection

__all__ = [
    "TFTMTL",
    "Insight",
    "efficiency_score",
    "explain",
    "plot_attention",
    "plot_selection",
]
