"""Joints of the nodes' outbound units: their one interface, and all there are by name.

Leaves have any leading axes ``*b`` (products, periods). Each joint stands in its own file, which
says what a network has to put out for it. Nodes that are not active count for nothing: neither
their stock nor their leaves matter.

Source: METHODS sections 3 and 4; Outbound's heads under ``Independent``; the rest is not from the
paper.
"""

from __future__ import annotations

from typing import Protocol

from jaxtyping import Array, Bool, Float

from draingym.drain_model.distributions.coherent import Coherent
from draingym.drain_model.distributions.copula import Copula
from draingym.drain_model.distributions.independent import Independent


class Joint(Protocol):
    """The distribution of all nodes' outbound units in a period, given their stock."""

    @staticmethod
    def num_uniforms(num_nodes: int, rank: int = 0) -> int:
        """Return how many uniforms a draw uses.

        Shared ones come first, then one per node, so that nodes added at the end leave other nodes'
        uniforms as they are.
        """
        ...

    def sample(
        self,
        available: Float[Array, "*b N"],
        active: Bool[Array, "*b N"],
        uniforms: Float[Array, "*b K"],
    ) -> Float[Array, "*b N"]:
        """Draw whole units, ``0 <= O <= A``; 0 where not active."""
        ...

    def log_prob(
        self,
        outbound: Float[Array, "*b N"],
        available: Float[Array, "*b N"],
        active: Bool[Array, "*b N"],
        uniforms: Float[Array, "*b N"] | None = None,
    ) -> Float[Array, "*b"]:
        """Return the log probability of whole outbound units; ``-inf`` if they are never drawn."""
        ...

    def log_dependence(
        self,
        outbound: Float[Array, "*b N"],
        available: Float[Array, "*b N"],
        active: Bool[Array, "*b N"],
        uniforms: Float[Array, "*b N"],
    ) -> Float[Array, "*b"]:
        """Return what ``log_prob`` holds beyond its hybrids; it trains the rest of the leaves."""
        ...


JOINTS: dict[str, type[Independent] | type[Copula] | type[Coherent]] = {
    "independent": Independent,
    "copula": Copula,
    "coherent": Coherent,
}
