"""The weights of a model's network: their shapes, and their first values."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import jax
import numpy as np
from flax import nnx

from draingym.common.carry import strong
from draingym.forecasters.data.encoding import Layout
from draingym.forecasters.training.model import Model, Weights


@lru_cache(maxsize=32)
def definition(model: Model, layout: Layout) -> nnx.GraphDef[nnx.Module]:
    """Return a model's network without weights; ``nnx.merge`` takes both."""
    return nnx.split(_abstract(model, layout))[0]


def weights_like(model: Model, layout: Layout) -> Weights:
    """Return the shapes of a model's weights."""
    found: Weights = nnx.to_pure_dict(nnx.state(_abstract(model, layout)))
    return found


@lru_cache(maxsize=32)
def _abstract(model: Model, layout: Layout) -> nnx.Module:
    network: nnx.Module = nnx.eval_shape(lambda: model.network(layout, nnx.Rngs(0)))
    return network


def initial_weights(model: Model, layout: Layout, seed: int) -> Weights:
    """Return a model's weights before training, drawn by NumPy: nothing to compile.

    What the model's ``initial`` leaves open: kernels and embeddings from N(0, 1 / fan in), scales
    1, all else 0.
    """
    random = np.random.default_rng(seed)

    def draw(path: Any, leaf: Any) -> Any:
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        values = model.initial(name, leaf.shape, random)
        if values is None:
            kind = name.rpartition("/")[2]
            values = np.ones(leaf.shape) if kind == "scale" else np.zeros(leaf.shape)
            if kind in ("kernel", "embedding"):
                fan = leaf.shape[-1] if kind == "embedding" else math.prod(leaf.shape[:-1])
                values = random.standard_normal(leaf.shape) / np.sqrt(fan)
        return np.asarray(values, leaf.dtype)

    return strong(jax.tree_util.tree_map_with_path(draw, weights_like(model, layout)))
