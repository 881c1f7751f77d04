"""Modules with weights drawn by NumPy: what their initialisers compile takes seconds."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from draingym.forecasters.data.encoding import Encoder
from draingym.forecasters.data.windows import cut
from draingym.forecasters.training.model import random_keys
from draingym.forecasters.training.weights import definition, weights_like


def weights_of(make, seed=0):
    """Return the definition and the weights of a module that ``make`` makes of ``nnx.Rngs``."""
    definition, state = nnx.split(nnx.eval_shape(lambda: make(nnx.Rngs(0))))
    random = np.random.default_rng(seed)

    def draw(path, leaf):
        kind = jax.tree_util.keystr(path, simple=True, separator="/").rpartition("/")[2]
        if kind == "scale":
            return np.ones(leaf.shape, np.float32)
        fan = leaf.shape[-2] if len(leaf.shape) > 1 else 10.0
        return (random.standard_normal(leaf.shape) / np.sqrt(fan)).astype(np.float32)

    return definition, jax.tree_util.tree_map_with_path(draw, nnx.to_pure_dict(state))


def module_of(make, seed=0):
    """Return a module that ``make`` makes of ``nnx.Rngs``, with drawn weights."""
    return nnx.merge(*weights_of(make, seed))


def batch_of(model, data, encoder, series, origin):
    """Return the windows of some series at an origin."""
    arrays = encoder.arrays(model.clean(data), model.context, model.horizon)
    rows = jnp.asarray(series, jnp.int32)
    return cut(
        jax.tree.map(jnp.asarray, arrays),
        rows,
        jnp.full(len(series), origin, jnp.int32),
        model.context,
        model.horizon,
    )


def shapes_of(model, data, inputs_of):
    """Return the shapes of a model's losses by stage, point, 3 samples, and inputs: only traced."""
    encoder = Encoder.learned(model.clean(data), raw=model.raw)
    layout = encoder.layout
    batch = batch_of(model, data, encoder, range(data.num_series), data.num_periods)

    def everything(weights, batch, key):
        network = nnx.merge(definition(model, layout), weights)
        losses = [model.loss(network, batch, key, stage) for stage in range(len(model.stages))]
        residuals = jnp.zeros((5, model.horizon))
        drawn = model.samples(network, batch, random_keys(key, batch.keys), residuals, 3)
        return losses, model.point(network, batch), drawn, inputs_of(batch, network.sizes)

    return jax.eval_shape(everything, weights_like(model, layout), batch, jax.random.key(0))
