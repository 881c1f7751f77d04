"""The lanes' derivatives are those of central differences, wherever the stock is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from draingym.drain_model import DrainConfig
from draingym.drain_model.network.lanes import Lanes

NODES, REGIONS, ATTRIBUTES = 3, 4, 2
CONFIG = DrainConfig(width=4, heads=2, lane_heads=2, lane_steps=2)
STOCKS = {
    "everywhere": (6.0, 3.0, 5.0),
    "few": (0.3, 0.0, 1.2),
    "where nobody is served from": (0.0, 0.0, 9.0),
}


@pytest.mark.parametrize("apart", [1.0, 8.0])
@pytest.mark.parametrize("stock", STOCKS.values(), ids=STOCKS)
def test_derivatives_are_those_of_central_differences(stock, apart):
    random = np.random.default_rng(0)
    with jax.enable_x64(True):

        def drawn(*shape, low=-1.0, high=1.0):
            return jnp.asarray(random.uniform(low, high, shape), jnp.float64)

        lanes = Lanes(CONFIG, ATTRIBUTES)
        definition, weights = nnx.split(lanes)
        weights = jax.tree.map(lambda x: drawn(*x.shape, low=-0.5, high=0.5), weights)
        heads, depth = CONFIG.lane_heads, CONFIG.width // CONFIG.heads
        # The last node is far from every region: as good as none of their orders go there.
        far = jnp.asarray([0.0, 0.0, -apart], jnp.float64)[None, :, None]
        given = {
            "weights": weights,
            "tokens": drawn(NODES, CONFIG.width),
            "query": drawn(REGIONS, heads, depth),
            "ranges": drawn(heads, low=0.5, high=2.0),
            "demand": drawn(REGIONS, low=0.5, high=3.0),
            "usual": drawn(REGIONS, low=0.5, high=3.0),
            "lane": drawn(heads, NODES, REGIONS) + far,
            "haul": drawn(heads, NODES, REGIONS),
            "reach": drawn(heads, NODES, REGIONS, low=0.2, high=1.0),
            "available": jnp.asarray(stock, jnp.float64),
        }
        active = jnp.ones(NODES, bool)
        parts = jax.eval_shape(
            lambda given: nnx.merge(definition, given["weights"])(
                **{k: v for k, v in given.items() if k != "weights"},
                scale=jnp.float64(2.0),
                active=active,
            ),
            given,
        )
        weighing = [drawn(*part.shape) for part in parts]

        @jax.jit
        def value(given):
            told = {k: v for k, v in given.items() if k != "weights"}
            found = nnx.merge(definition, given["weights"])(
                **told, scale=jnp.float64(2.0), active=active
            )
            return sum(jnp.sum(w * x) for w, x in zip(weighing, found, strict=True))

        slopes = jax.grad(value)(given)
        step = 1e-6
        for name in given:
            aside = jax.tree.map(lambda x: drawn(*x.shape), given[name])
            if name == "available":  # empty shelves stay empty
                aside = jnp.where(given[name] > 0, aside, 0.0)
            up, down = (
                value(
                    given
                    | {
                        name: jax.tree.map(
                            lambda x, a, s=sign: x + s * step * a, given[name], aside
                        )
                    }
                )
                for sign in (1.0, -1.0)
            )
            pairs = jax.tree.map(lambda g, a: jnp.sum(g * a), slopes[name], aside)
            along = sum(jax.tree.leaves(pairs))
            assert float(along) == pytest.approx(
                float(up - down) / (2.0 * step), rel=1e-4, abs=1e-6
            ), name
