"""What a user gets of a step, as one array: each array that leaves the device takes its time."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import NDArray

from draingym.simulator.adapters.functional import FLOWS, FunctionalEnv, View
from draingym.simulator.types import Transition

# Between the observation and the flows: reward, terminated, truncated.
_SCALARS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Edge:
    """Packs a step of one environment on the device, and unpacks it on the host.

    Attributes:
        fields: Names of the observation's vectors in their order; none where it is one vector.
        sizes: Entries of every vector, of the three scalars, and of every flow that infos hold.
    """

    fields: tuple[str, ...] | None
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, env: FunctionalEnv, flows: bool) -> Edge:
        """Return the edge of an environment, with the period's flows or without them."""
        seen, held = env.observation_shape, env.holding
        fields: tuple[str, ...] | None = None
        shapes: list[tuple[int, ...]]
        if isinstance(seen, dict):
            fields = tuple(sorted(seen))
            shapes = [seen[name] for name in fields]
        else:
            shapes = [seen]
        shapes += [()] * _SCALARS + ([held[name] for name in FLOWS] if flows else [])
        sizes = [prod(shape) for shape in shapes]
        return cls(fields=fields, sizes=tuple(sizes))

    def pack(self, view: View, transition: Transition) -> Float[Array, " K"]:
        """Return all that the user gets, of the default float, which holds it exactly."""
        ends = (transition.reward, transition.terminated, transition.truncated)
        parts = [*jax.tree.leaves(view), *ends]
        if len(self.sizes) > len(parts):
            parts += [getattr(transition, name) for name in FLOWS]
        return jnp.concatenate([jnp.ravel(part).astype(float) for part in parts])

    def unpack(
        self, packed: NDArray[Any]
    ) -> tuple[Any, float, bool, bool, dict[str, NDArray[Any]]]:
        """Return observation, reward, terminated, truncated, and the flows; fresh arrays."""
        ends = list(accumulate(self.sizes))
        pieces = [packed[end - size : end] for end, size in zip(ends, self.sizes, strict=True)]
        count = 1 if self.fields is None else len(self.fields)
        vectors = [np.array(piece, np.float32) for piece in pieces[:count]]
        seen = vectors[0] if self.fields is None else dict(zip(self.fields, vectors, strict=True))
        reward, terminated, truncated = (float(piece[0]) for piece in pieces[count : count + 3])
        flows = [piece.copy() for piece in pieces[count + _SCALARS :]]
        info = dict(zip(FLOWS, flows, strict=True)) if flows else {}
        return seen, reward, bool(terminated), bool(truncated), info
