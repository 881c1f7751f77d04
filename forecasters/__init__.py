"""Forecasters of demand: networks of four papers behind one interface.

``fit`` takes a long frame or a panel's series, ``Fitted.predict`` returns joint samples.
"""

from draingym.forecasters.armdn import ARMDN, verticals
from draingym.forecasters.attribution import Drivers, drivers
from draingym.forecasters.cross_validation import Fold, cross_validate
from draingym.forecasters.data.frames import Columns, Rules, read_frame
from draingym.forecasters.data.future import with_future
from draingym.forecasters.data.panels import read_panel
from draingym.forecasters.data.series import SeriesData
from draingym.forecasters.fitted import Fitted
from draingym.forecasters.fitting import fit
from draingym.forecasters.grouping import Groups
from draingym.forecasters.lstm import LSTM, lstm_groups
from draingym.forecasters.monotone_transformer import (
    MonotoneTransformer,
    PriceCurves,
    demand_bias,
    demand_error,
    impute_demand,
    price_curves,
    size_shares,
)
from draingym.forecasters.plots import plot_forecast
from draingym.forecasters.regions import shared_out, summed
from draingym.forecasters.results.forecast import Forecast
from draingym.forecasters.results.reliability import (
    Reliability,
    plot_reliability,
    reliability,
)
from draingym.forecasters.store import load_forecaster, save_forecaster
from draingym.forecasters.tft_mtl import (
    TFTMTL,
    Insight,
    efficiency_score,
    explain,
    plot_attention,
    plot_selection,
)
from draingym.forecasters.training.loop import NonFiniteLossError
from draingym.forecasters.training.model import Model, ModelDefaults, Stage, TrainConfig
from draingym.forecasters.training.state import Progress

# Models by name, as files and the command line know them.
MODELS = {
    "LSTM": LSTM,
    "ARMDN": ARMDN,
    "MonotoneTransformer": MonotoneTransformer,
    "TFTMTL": TFTMTL,
}

__all__ = [
    "ARMDN",
    "LSTM",
    "MODELS",
    "TFTMTL",
    "Columns",
    "Drivers",
    "Fitted",
    "Fold",
    "Forecast",
    "Groups",
    "Insight",
    "Model",
    "ModelDefaults",
    "MonotoneTransformer",
    "NonFiniteLossError",
    "PriceCurves",
    "Progress",
    "Reliability",
    "Rules",
    "SeriesData",
    "Stage",
    "TrainConfig",
    "cross_validate",
    "demand_bias",
    "demand_error",
    "drivers",
    "efficiency_score",
    "explain",
    "fit",
    "impute_demand",
    "load_forecaster",
    "lstm_groups",
    "plot_attention",
    "plot_forecast",
    "plot_reliability",
    "plot_selection",
    "price_curves",
    "read_frame",
    "read_panel",
    "reliability",
    "save_forecaster",
    "shared_out",
    "size_shares",
    "summed",
    "verticals",
    "with_future",
]
