"""Modules with weights drawn by NumPy: what their initialisers compile takes seconds."""

import jax
import numpy as np
from flax import nnx


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
