"""Checkpoints: parameters, config, statistics and node set together in one file."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal, cast

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from numpy.typing import NDArray

from draingym.common.arrays import require, require_whole
from draingym.common.config import read_config, require_fields
from draingym.common.npz import filled_tree, named_arrays, read_npz, require_array, write_npz
from draingym.common.runs import require_same
from draingym.drain_model.config import DrainConfig
from draingym.drain_model.data.dataset import DrainData, Geography
from draingym.drain_model.data.statistics import Statistics
from draingym.drain_model.network.drain_network import DrainNetwork
from draingym.drain_model.network.types import Static
from draingym.drain_model.outside import Outside, outside
from draingym.world.identity import WorldIdentity, without_identity

Weights = dict[Any, Any]  # nested; leaves are arrays

# What the arrays of a file are called, or begin with.
_WEIGHTS, _STATISTICS, _NODES = "weights/", "statistics/", "node_coordinates"
_REMEDY = "draingym train-drain makes another"


@lru_cache(maxsize=16)
def graph_definition(
    config: DrainConfig, num_calendar: int, num_attributes: int
) -> nnx.GraphDef[DrainNetwork]:
    """Return the network's structure without parameters; ``nnx.merge`` takes both."""
    definition, _ = nnx.split(_abstract(config, num_calendar, num_attributes))
    return definition


# Kernels start from N(0, gain^2 / fan in), with the gain 1 where none is given: lanes begin as a
# plain function of distance, and learn what stock and place change.
_GAIN = {
    "pairs/join": 0.0,
    "pairs/left": 3.0,
    "pairs/right": 3.0,
    "lanes/node": 0.1,
    "lanes/region": 0.1,
    "lanes/modulation": 0.1,
    "lanes/sensitivity": 0.1,
    "outbound_mlp/layers/2": 0.1,
    "total_mlp/layers/2": 0.1,
    "share_mlp/layers/2": 0.1,
    "factors": 0.3,
}


def initial_weights(
    config: DrainConfig, num_calendar: int, num_attributes: int, *, seed: int
) -> Weights:
    """Return freshly initialised parameters, drawn by NumPy: nothing to compile.

    Args:
        config: Sizes.
        num_calendar: Calendar features, ``E``.
        num_attributes: Product attributes, ``F``.
        seed: At least 0.

    Returns:
        Nested dict of float32 arrays.
    """
    random = np.random.default_rng(seed)

    def draw(path: tuple[Any, ...], leaf: Any) -> NDArray[np.float32]:
        *module, kind = (str(entry.key) for entry in path)
        if kind in ("kernel", "recurrent"):
            gain = _GAIN.get("/".join(module), 1.0)
            values = random.standard_normal(leaf.shape) * gain / np.sqrt(leaf.shape[-2])
        else:
            values = np.ones(leaf.shape) if kind == "scale" else np.zeros(leaf.shape)
        return np.asarray(values, np.float32)

    abstract = _abstract(config, num_calendar, num_attributes)
    weights: Weights = jax.tree_util.tree_map_with_path(draw, nnx.to_pure_dict(nnx.state(abstract)))
    return weights


@lru_cache(maxsize=16)
def _abstract(config: DrainConfig, num_calendar: int, num_attributes: int) -> DrainNetwork:
    network: DrainNetwork = nnx.eval_shape(
        lambda: DrainNetwork(config, num_calendar, num_attributes)
    )
    return network


@partial(jax.jit, static_argnums=0)  # one program instead of many small ones
def _static(
    definition: nnx.GraphDef[DrainNetwork],
    weights: Weights,
    statistics: Statistics,
    geography: Geography,
) -> Static:
    network: DrainNetwork = nnx.merge(definition, weights)
    return network.static(statistics, geography)


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """A trained drain model: everything that is needed to use it again."""

    config: DrainConfig
    weights: Weights
    statistics: Statistics
    node_coordinates: NDArray[np.float32]  # [N, 2] degrees, of the nodes trained on
    train_periods: int = 0  # periods trained on, from the first; 0 where that is not known
    world: WorldIdentity | None = None  # network, products and periods trained on, where known

    @property
    def num_calendar(self) -> int:
        """Calendar features, ``E``."""
        return int(self.statistics.calendar_mean.shape[0])

    @property
    def num_attributes(self) -> int:
        """Product attributes, ``F``."""
        return int(self.statistics.attributes_mean.shape[0])

    @property
    def definition(self) -> nnx.GraphDef[DrainNetwork]:
        """The network's structure."""
        return graph_definition(self.config, self.num_calendar, self.num_attributes)

    def static(self, geography: Geography) -> Static:
        """Return what a geography alone determines, on the device."""
        found: Static = _static(self.definition, self.weights, self.statistics, geography)
        return found

    def require_sizes(self, config: DrainConfig) -> None:
        """Raise unless a config has the same parameters as this model.

        Raises:
            ValueError: Naming the first that differs.
        """
        wanted = nnx.state(_abstract(config, self.num_calendar, self.num_attributes))
        filled_tree(nnx.to_pure_dict(wanted), named_arrays(self.weights), "initial", cast=True)

    def require(self, data: DrainData, *, new_nodes: bool = False) -> None:
        """Raise unless the model can be used on the data.

        Args:
            data: Of any products, periods and regions.
            new_nodes: Allow nodes the model was not trained on: it runs on any, but has never
                seen how they drain.

        Raises:
            ValueError: Naming the field, the value and the bound.
        """
        for name, found, bound in (
            ("calendar", data.calendar.shape[-1], self.num_calendar),
            ("attributes", data.attributes.shape[-1], self.num_attributes),
        ):
            if found != bound:
                raise ValueError(f"data.{name} has {found} features, must be {bound}")
        if new_nodes:
            return
        known = self.node_coordinates
        if data.num_nodes != len(known):
            raise ValueError(f"data has {data.num_nodes} nodes, must be {len(known)}")
        found = np.asarray(data.geography.node_coordinates)
        for n, (here, there) in enumerate(zip(found, known, strict=True)):
            if np.abs(here - there).max() > 1e-3:
                raise ValueError(
                    f"data.geography.node_coordinates[{n}] is {here.tolist()}, must be "
                    f"{there.tolist()}, where the checkpoint's node is"
                )

    def outside(self, data: DrainData) -> tuple[Outside, ...]:
        """Return what of the data lies beyond what the model was trained on.

        The network takes a product with an attribute beyond those trained on for one at their
        edge; it has seen no place like a node or region outside of the geography.
        """
        return outside(self.statistics, data)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Meta:
    """The plain values of a checkpoint's file."""

    version: Literal[1]
    config: DrainConfig
    train_periods: int = 0
    world: dict[str, Any] | None = None  # plain values of an identity; none in earlier files

    def __post_init__(self) -> None:
        """Check the fields."""
        require_fields(self)
        require_whole("train_periods", self.train_periods, low=0)


def save_checkpoint(checkpoint: Checkpoint, path: str | Path) -> None:
    """Write a checkpoint to one ``.npz`` file; it appears whole or not at all.

    Args:
        checkpoint: What to write.
        path: The file.

    Raises:
        ValueError: If the file cannot be written, naming it.
    """
    facts, marks = (None, {}) if checkpoint.world is None else checkpoint.world.to_file()
    meta = _Meta(
        version=1,
        config=checkpoint.config,
        train_periods=checkpoint.train_periods,
        world=facts,
    )
    arrays = named_arrays(checkpoint.weights, _WEIGHTS)
    arrays |= named_arrays(checkpoint.statistics, _STATISTICS)
    arrays[_NODES] = np.asarray(checkpoint.node_coordinates)
    arrays |= marks
    write_npz(path, arrays, asdict(meta))


def load_checkpoint(path: str | Path, *, config: DrainConfig | None = None) -> Checkpoint:
    """Read a checkpoint.

    Args:
        path: The file.
        config: What it is expected to have been made with; not checked when not given.

    Returns:
        The checkpoint.

    Raises:
        ValueError: If there is no such file, it is no checkpoint, or it was made with another
            config or version; names the file, the field, the value and the bound.
    """
    what = f"checkpoint {path}"
    values, arrays = read_npz(path, "checkpoint", _REMEDY)
    meta: _Meta = read_config(_Meta, values, f"{what}: meta")
    if config is not None:
        require_config(meta.config, config, what)
    num_nodes = require_array(arrays, _NODES, what, shape=(None, 2)).shape[0]
    features = [
        require_array(arrays, f"{_STATISTICS}{name}_mean", what, shape=(None,)).shape[0]
        for name in ("calendar", "attributes")
    ]
    try:
        weights = nnx.to_pure_dict(nnx.state(_abstract(meta.config, *features)))
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from error
    nodes = jax.ShapeDtypeStruct((num_nodes, 2), jnp.float32)
    template = {"weights": weights, "statistics": _statistics(*features), _NODES: nodes}
    found = filled_tree(template, without_identity(arrays), what, cast=True)
    for name, leaf in named_arrays(found).items():
        require(np.isfinite(leaf), f"{what}: {name}", leaf, "finite")
        if name.startswith(_STATISTICS) and name.endswith("_scale"):
            require(leaf > 0, f"{what}: {name}", leaf, "above 0")
    return Checkpoint(
        config=meta.config,
        weights=found["weights"],
        statistics=found["statistics"],
        node_coordinates=np.asarray(found[_NODES], np.float32),
        train_periods=meta.train_periods,
        world=WorldIdentity.from_file(meta.world, arrays, what),
    )


def _statistics(num_calendar: int, num_attributes: int) -> Statistics:
    """Return the shapes of statistics."""
    shapes: dict[str, Any] = {field.name: () for field in fields(Statistics)}
    shapes |= dict.fromkeys(("calendar_mean", "calendar_scale"), (num_calendar,))
    names = (f"attributes_{name}" for name in ("mean", "scale", "low", "high"))
    shapes |= dict.fromkeys(names, (num_attributes,))
    shapes |= dict.fromkeys(("coordinates_mean", "places_low", "places_high"), (2,))
    leaves = {name: jax.ShapeDtypeStruct(s, jnp.float32) for name, s in shapes.items()}
    return Statistics(**cast(Any, leaves))


def require_config(found: DrainConfig, bound: DrainConfig, what: str) -> None:
    """Raise ``ValueError`` naming the first field in which two configs differ, and both values."""
    labels = {field.name: f"config.{field.name}" for field in fields(DrainConfig)}
    require_same(found, bound, what, labels)
