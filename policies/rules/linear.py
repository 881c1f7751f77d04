"""Linear programs that policies solve on the host, many at a time, with HiGHS."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

FloatArray = NDArray[np.float64]

# Programs that are solved in one call: more of them do not spread the cost of a call any further.
CHUNK = 16


class Program:
    """Programs that share their matrix: ``min cost @ x, low <= matrix @ x <= high, 0 <= x <= top``.

    Args:
        matrix: [R, V] of all of them.
    """

    def __init__(self, matrix: sparse.csr_array) -> None:
        """Keep the matrix."""
        self.matrix = matrix
        self._blocks = lru_cache(maxsize=4)(self._block)

    def _block(self, count: int) -> sparse.csc_array:
        return sparse.csc_array(sparse.kron(sparse.eye_array(count), self.matrix, format="csc"))

    def solve(
        self, cost: FloatArray, low: FloatArray, high: FloatArray, top: FloatArray
    ) -> FloatArray:
        """Return the best x of every program.

        Args:
            cost: [B, V].
            low: [B, R], -inf where there is no bound.
            high: [B, R], at least ``low``.
            top: [B, V], at least 0; inf where there is no bound.

        Returns:
            [B, V].

        Raises:
            ValueError: If HiGHS finds no optimum, with its reason.
        """
        found = np.empty_like(cost)
        for start in range(0, len(cost), CHUNK):
            part = slice(start, start + CHUNK)
            count = len(cost[part])
            result = milp(
                cost[part].ravel(),
                bounds=Bounds(0.0, top[part].ravel()),
                constraints=LinearConstraint(
                    self._blocks(count), low[part].ravel(), high[part].ravel()
                ),
            )
            if result.x is None:
                raise ValueError(f"linear program of {count} policies: {result.message}")
            found[part] = result.x.reshape(count, -1)
        return np.maximum(found, 0.0)
