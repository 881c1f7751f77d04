"""The drain models of the two worlds: what ships at 20 nodes and 99 regions.

Where a node ships much, nodes of their own are the better ones; where it ships next to nothing,
small errors add up in the total, unless that is learnt itself. Both joints are in the tables.
"""

from __future__ import annotations

from draingym.drain_model import DrainConfig

CONFIGS = {
    "paper": DrainConfig(joint="coherent", batch_products=8, epochs=3, validate_every=1),
    "busy": DrainConfig(epochs=6, validate_every=1),
}
