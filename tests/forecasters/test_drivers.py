"""What drove a forecast: units that are owed to a thing, and the picture of it."""

from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from draingym.forecasters import Drivers, SeriesData, TrainConfig, drivers, fit, plot_forecast
from draingym.forecasters.attribution import LATE
from draingym.forecasters.data.grid import Grid, Step
from draingym.forecasters.training.model import ModelDefaults


class Nothing(nnx.Module):
    """A network with one weight, which nothing depends on."""

    def __init__(self):
        """Make the weight."""
        self.weight = nnx.Param(jnp.zeros(1))


@dataclass(frozen=True, kw_only=True, slots=True)
class Sum(ModelDefaults):
    """The mean of the last two periods plus ten times the price's distance from its mean."""

    horizon: int = 2
    context: int = 4

    @property
    def raw(self):
        return ("price",)

    def network(self, layout, rngs):
        return Nothing()

    def loss(self, network, batch, key, stage):
        return jnp.sum(network.weight[...] ** 2), jnp.float32(batch.target.shape[0])

    def point(self, network, batch):
        level = jnp.mean(batch.target[:, -2:], axis=1)
        return level[:, None] + 10.0 * batch.known[:, -2:, 0] + 0.0 * network.weight[0]

    def samples(self, network, batch, keys, residuals, number):
        point = self.point(network, batch)
        return jnp.repeat(point[:, None], number, axis=1)


@pytest.fixture(scope="module")
def data():
    target = np.array([[4.0] * 8 + [7.0, 9.0], [1.0] * 10])
    price = np.zeros((2, 12))
    price[0, 10:] = [1.0, 2.0]
    return SeriesData(
        ids=("a", "b"), grid=Grid(0, Step("whole", 1)), target=target, known={"price": price}
    )


@pytest.fixture(scope="module")
def fitted(data):
    history = replace(data, known={"price": data.known["price"][:, :10]})
    return fit(history, Sum(), config=TrainConfig(epochs=1, windows=8, batch=8, validate=False))


def test_units_are_those_that_are_missing_without_a_thing(data, fitted):
    found = drivers(fitted, data, samples=4)
    assert found.names == (LATE, "price")
    # a: 8 a period for 2 periods, 16 of it owed to 8 in place of 4; the price adds 10 and 20.
    np.testing.assert_allclose(found.total, [46.0, 2.0])
    np.testing.assert_allclose(found.units, [[8.0, 30.0], [0.0, 0.0]], atol=1e-5)
    table = found.table()
    assert table["driver"].tolist() == [LATE, "price"] * 2
    np.testing.assert_allclose(table["share"], [8 / 46, 30 / 46, 0.0, 0.0], atol=1e-6)


def test_a_picture_has_history_fan_and_drivers(data, fitted):
    pytest.importorskip("matplotlib")
    forecast = fitted.predict(data, samples=4)
    why = drivers(fitted, data, samples=4)
    figure = plot_forecast(data, forecast, why, actual=np.array([[20.0, 25.0], [1.0, 1.0]]))
    fan, bars = figure.axes
    np.testing.assert_allclose(fan.lines[0].get_ydata(), data.target[0])  # the larger series
    np.testing.assert_allclose(fan.lines[1].get_ydata(), [18.0, 28.0])
    assert [bar.get_width() for bar in bars.patches] == pytest.approx([30.0, 8.0])
    with pytest.raises(ValueError, match="series 'c' has no history"):
        plot_forecast(data, forecast, series="c")
    assert isinstance(why, Drivers)
