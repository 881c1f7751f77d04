"""Modules with weights drawn by NumPy: what their initialisers compile takes seconds."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from draingym.forecasters.data.encoding import Encoder
from draingym.forecasters.data.windows import cut
from draingym.forecasters.training import weights as trained
from draingym.forecasters.training.model import random_keys

CUT = jax.jit(cut, static_argnums=(3, 4))


def abstract_of(make):
    """Return the definition, and the weights' shapes, of what ``make`` makes of ``nnx.Rngs``."""
    definition, state = nnx.split(nnx.eval_shape(lambda: make(nnx.Rngs(0))))
    return definition, nnx.to_pure_dict(state)


def weights_like(shapes, seed=0):
    """Return weights of some shapes."""
    random = np.random.default_rng(seed)

    def draw(path, leaf):
        kind = jax.tree_util.keystr(path, simple=True, separator="/").rpartition("/")[2]
        if kind == "scale":
            return np.ones(leaf.shape, np.float32)
        fan = leaf.shape[-2] if len(leaf.shape) > 1 else 10.0
        return (random.standard_normal(leaf.shape) / np.sqrt(fan)).astype(np.float32)

    return jax.tree_util.tree_map_with_path(draw, shapes)


def module_of(make):
    """Return a module that ``make`` makes of ``nnx.Rngs``, with drawn weights."""
    definition, shapes = abstract_of(make)
    return nnx.merge(definition, weights_like(shapes))


def applied(module, *inputs):
    """Return what a module makes of its inputs, NumPy's arrays, in one program."""
    definition, state = nnx.split(module)

    def run(state, *inputs):
        return nnx.merge(definition, state)(*inputs)

    return jax.jit(run)(state, *(np.asarray(x, np.float32) for x in inputs))


def batch_of(model, data, encoder, series, origin):
    """Return the windows of some series at an origin."""
    arrays = encoder.arrays(model.clean(data), model.context, model.horizon)
    origins = np.full(len(series), origin)
    return CUT(arrays, np.array(series), origins, model.context, model.horizon)


def shapes_of(model, data, inputs_of):
    """Return the shapes of a model's losses by stage, point, 3 samples, and inputs: only traced."""
    encoder = Encoder.learned(model.clean(data), raw=model.raw)
    layout = encoder.layout
    batch = batch_of(model, data, encoder, range(data.num_series), data.num_periods)

    def everything(weights, batch, key):
        network = nnx.merge(trained.definition(model, layout), weights)
        losses = [model.loss(network, batch, key, stage) for stage in range(len(model.stages))]
        residuals = jnp.zeros((5, model.horizon))
        drawn = model.samples(network, batch, random_keys(key, batch.keys), residuals, 3)
        return losses, model.point(network, batch), drawn, inputs_of(batch, network.sizes)

    shapes = trained.weights_like(model, layout)
    return jax.eval_shape(everything, shapes, batch, jax.random.key(0))
