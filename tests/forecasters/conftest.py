"""Small forecasters, fitted once."""

import pytest

from draingym.forecasters import (
    ARMDN,
    LSTM,
    TFTMTL,
    Columns,
    MonotoneTransformer,
    TrainConfig,
    fit,
    read_frame,
)
from tests.forecasters.frames import weekly_pattern

HORIZON, FIRST = 3, 77  # periods that are forecast, and those before
COLUMNS = Columns(static=("kind",), known=("price",))
CONFIG = TrainConfig(epochs=12, batch=64, windows=512, learning_rate=5e-3)
MODELS = {
    "LSTM": LSTM(horizon=HORIZON, window=8, steps=8, cell=12, ahead=True),
    "ARMDN": ARMDN(horizon=HORIZON, context=14, width=16, mixtures=3, dropout=0.1),
    "MonotoneTransformer": MonotoneTransformer(
        horizon=HORIZON,
        context=14,
        near=2,
        layers=1,
        heads=4,
        dropout=0.0,
        near_epochs=24,
        far_epochs=12,
    ),
    "TFTMTL": TFTMTL(horizon=HORIZON, context=14, width=8, heads=2, dropout=0.0),
}


# The dearer networks do what the others do, but for what their own tests check.
_SLOW = ("MonotoneTransformer", "TFTMTL")
_PARAMS = [
    pytest.param(name, marks=[pytest.mark.slow] if name in _SLOW else []) for name in sorted(MODELS)
]


@pytest.fixture(scope="session")
def data():
    """Eight series over 80 days."""
    return read_frame(weekly_pattern(), COLUMNS)


@pytest.fixture(scope="session")
def history(data):
    """What is known before the last three days."""
    return data.until(FIRST)


@pytest.fixture(scope="session", params=_PARAMS)
def fitted(request, history):
    """Each model, fitted to the history."""
    return fit(history, MODELS[request.param], columns=COLUMNS, config=CONFIG)
