"""The drain models of the two worlds: what ships at 20 nodes and 99 regions."""

from __future__ import annotations

from draingym.drain_model import DrainConfig

CONFIGS = {
    "paper": DrainConfig(joint="coherent", batch_products=8, epochs=3, validate_every=1),
    "busy": DrainConfig(joint="coherent", epochs=6, validate_every=1),
}
