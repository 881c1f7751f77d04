"""Checkpoints: parameters, config, statistics and node set together in one file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from numpy.typing import NDArray

from draingym.common.atomic import atomic_file
from draingym.drain_model.config import DrainConfig
from draingym.drain_model.data.dataset import DrainData, Statistics
from draingym.drain_model.network.drain_network import DrainNetwork

Weights = dict[Any, Any]  # nested; leaves are arrays

_VERSION = 1


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

    def draw(path: tuple[Any, ...], leaf: Any) -> jax.Array:
        *module, kind = _name(path).split("/")
        if kind in ("kernel", "recurrent"):
            gain = _GAIN.get("/".join(module), 1.0)
            values = random.standard_normal(leaf.shape) * gain / np.sqrt(leaf.shape[-2])
        else:
            values = np.ones(leaf.shape) if kind == "scale" else np.zeros(leaf.shape)
        return jnp.asarray(values, jnp.float32)

    abstract = _abstract(config, num_calendar, num_attributes)
    weights: Weights = jax.tree_util.tree_map_with_path(draw, nnx.to_pure_dict(nnx.state(abstract)))
    return weights


@lru_cache(maxsize=16)
def _abstract(config: DrainConfig, num_calendar: int, num_attributes: int) -> DrainNetwork:
    network: DrainNetwork = nnx.eval_shape(
        lambda: DrainNetwork(config, num_calendar, num_attributes, rngs=nnx.Rngs(0))
    )
    return network


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """A trained drain model: everything that is needed to use it again."""

    config: DrainConfig
    weights: Weights
    statistics: Statistics
    node_coordinates: NDArray[np.float32]  # [N, 2] degrees, of the nodes trained on
    train_periods: int = 0  # periods trained on, from the first; 0 where that is not known

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

    def require_sizes(self, config: DrainConfig) -> None:
        """Raise unless a config has the same parameters as this model.

        Raises:
            ValueError: Naming the first that differs.
        """
        wanted = nnx.to_pure_dict(
            nnx.state(_abstract(config, self.num_calendar, self.num_attributes))
        )
        found, wanted = _flatten(self.weights), _flatten_shapes(wanted)
        for name in sorted(found.keys() | wanted.keys()):
            shape = found[name].shape if name in found else None
            if shape != wanted.get(name):
                raise ValueError(
                    f"initial: {name} has shape {shape}, must be {wanted.get(name)}, as in config"
                )

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


def save_checkpoint(checkpoint: Checkpoint, path: str | Path) -> None:
    """Write a checkpoint to one ``.npz`` file; it appears whole or not at all.

    Args:
        checkpoint: What to write.
        path: The file.
    """
    meta = {
        "version": _VERSION,
        "config": asdict(checkpoint.config),
        "train_periods": checkpoint.train_periods,
    }
    arrays = {f"weights/{name}": leaf for name, leaf in _flatten(checkpoint.weights).items()}
    arrays |= {f"statistics/{name}": leaf for name, leaf in checkpoint.statistics.to_dict().items()}
    arrays["node_coordinates"] = checkpoint.node_coordinates
    save_arrays(path, meta, arrays)


def save_arrays(path: str | Path, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
    """Write plain values and named arrays to one ``.npz`` file, whole or not at all."""
    with atomic_file(Path(path)) as fresh, open(fresh, "wb") as file:
        np.savez(file, allow_pickle=False, meta=np.array(json.dumps(meta)), **arrays)


def load_arrays(path: str | Path, what: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read what ``save_arrays`` wrote.

    Args:
        path: The file.
        what: What the file is called in errors.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no such file, or not a whole one.
    """
    try:
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = dict(file.items())
        return json.loads(str(arrays.pop("meta"))), arrays
    except (BadZipFile, EOFError, KeyError, json.JSONDecodeError, ValueError) as error:
        raise ValueError(f"{what} {path}, must be a whole .npz file ({error})") from error


def load_checkpoint(path: str | Path, *, config: DrainConfig | None = None) -> Checkpoint:
    """Read a checkpoint.

    Args:
        path: The file.
        config: What it is expected to have been made with; not checked when not given.

    Returns:
        The checkpoint.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no checkpoint, or was made with another config or version; names
            the field, the value and the bound.
    """
    meta, arrays = load_arrays(path, "checkpoint")
    if "node_coordinates" not in arrays:
        raise ValueError(f"checkpoint {path}: node_coordinates is missing")
    node_coordinates = arrays.pop("node_coordinates")
    if meta.get("version") != _VERSION:
        raise ValueError(
            f"checkpoint {path}: version is {meta.get('version')!r}, must be {_VERSION}"
        )
    saved = DrainConfig.from_dict(meta["config"])
    if config is not None:
        require_config(saved, config, f"checkpoint {path}")
    statistics: dict[str, Any] = {}
    for field in fields(Statistics):
        if f"statistics/{field.name}" not in arrays:
            raise ValueError(f"checkpoint {path}: statistics.{field.name} is missing")
        statistics[field.name] = arrays.pop(f"statistics/{field.name}")
    made = Statistics(**statistics)
    abstract = _abstract(
        saved, int(made.calendar_mean.shape[0]), int(made.attributes_mean.shape[0])
    )
    template = nnx.to_pure_dict(nnx.state(abstract))
    return Checkpoint(
        config=saved,
        weights=_fill(template, arrays, str(path)),
        statistics=made,
        node_coordinates=node_coordinates,
        train_periods=int(meta.get("train_periods", 0)),
    )


def require_config(found: DrainConfig, bound: DrainConfig, what: str) -> None:
    """Raise ``ValueError`` naming the first field in which two configs differ, and both values."""
    for field in fields(DrainConfig):
        here, there = getattr(found, field.name), getattr(bound, field.name)
        if here != there:
            raise ValueError(f"{what}: config.{field.name} is {here!r}, must be {there!r}")


def _name(path: tuple[Any, ...]) -> str:
    return "/".join(str(entry.key) for entry in path)


def _flatten(tree: Weights) -> dict[str, NDArray[Any]]:
    return {
        _name(path): np.asarray(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def _flatten_shapes(tree: Any) -> dict[str, tuple[int, ...]]:
    return {_name(path): leaf.shape for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def _fill(template: Weights, arrays: dict[str, NDArray[Any]], source: str) -> Weights:
    """Return the template's tree with the arrays of a file, shapes checked."""
    paths, structure = jax.tree_util.tree_flatten_with_path(template)
    leaves = []
    for path, leaf in paths:
        name = f"weights/{_name(path)}"
        found = arrays.pop(name, None)
        if found is None or found.shape != leaf.shape:
            shape = None if found is None else found.shape
            raise ValueError(f"checkpoint {source}: {name} has shape {shape}, must be {leaf.shape}")
        leaves.append(jnp.asarray(found))
    if arrays:
        raise ValueError(
            f"checkpoint {source}: {sorted(arrays)[0]} is there, must be a parameter of the config"
        )
    filled: Weights = jax.tree_util.tree_unflatten(structure, leaves)
    return filled
