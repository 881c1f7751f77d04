"""What cards can do at most, as their makers publish it."""

from __future__ import annotations

from dataclasses import dataclass

import jax

from benchmarks.gpu_parts.costs import Cost


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """Limits of a card."""

    bytes: float  # a second, of its memory
    flops: float  # a second, of float32 without tensor cores


# By the name that the driver gives; parts of a card (MIG) have other names, and are not known.
CARDS = {
    "NVIDIA H200": Card(bytes=4.8e12, flops=67e12),
    "NVIDIA H100 80GB HBM3": Card(bytes=3.35e12, flops=67e12),
    "NVIDIA H100 NVL": Card(bytes=3.9e12, flops=60e12),
    "NVIDIA H100 PCIe": Card(bytes=2.0e12, flops=51e12),
    "NVIDIA A100-SXM4-80GB": Card(bytes=2.039e12, flops=19.5e12),
    "NVIDIA A100 80GB PCIe": Card(bytes=1.935e12, flops=19.5e12),
    "NVIDIA A100-SXM4-40GB": Card(bytes=1.555e12, flops=19.5e12),
    "NVIDIA A100-PCIE-40GB": Card(bytes=1.555e12, flops=19.5e12),
    "NVIDIA L4": Card(bytes=0.3e12, flops=30.3e12),
}


def card() -> Card | None:
    """Return the limits of the device that JAX runs on; None for a processor or an unknown card."""
    return CARDS.get(jax.devices()[0].device_kind)


def shares(cost: Cost | None, seconds: float, limits: Card | None) -> dict[str, float | None]:
    """Return which share of a card's limits a program reaches.

    Args:
        cost: Of a call; None where it could not be counted.
        seconds: Of a call.
        limits: Of the card; None for an unknown one.
    """
    if cost is None or limits is None:
        return {"share of bytes/s": None, "share of FLOP/s": None}
    return {
        "share of bytes/s": cost.bytes / seconds / limits.bytes,
        "share of FLOP/s": cost.flops / seconds / limits.flops,
    }
