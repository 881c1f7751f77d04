"""Sharing the products of a batch out over devices."""

from __future__ import annotations

import jax
from jax.sharding import AxisType, Mesh

AXIS = "batch"


def device_mesh(devices: int, batch: int) -> Mesh:
    """Return a mesh whose one axis, ``batch``, shares out the products of a batch.

    Args:
        devices: How many of this machine's to use.
        batch: Products.

    Raises:
        ValueError: If the devices are not there, or do not divide the products.
    """
    there = jax.device_count()
    if not 1 <= devices <= there:
        raise ValueError(f"devices is {devices}, must be in [1, {there}], those of this machine")
    if batch % devices:
        raise ValueError(f"devices is {devices}, must divide the {batch} products of a batch")
    return jax.make_mesh(
        (devices,), (AXIS,), axis_types=(AxisType.Auto,), devices=jax.devices()[:devices]
    )
