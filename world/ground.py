"""What a world of a user's own orders stands on, in place of our tables and draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from draingym.common.arrays import FloatArray, IntArray, require
from draingym.world.network import Network
from draingym.world.views import Places


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """Nodes and places of any country, and what is known of customers and products.

    Raises:
        ValueError: If a place is of a region that the network lacks, or a home or weight is out of
            its bounds.

    Example:
        >>> from draingym.world.network import NetworkConfig, build_network
        >>> network = build_network(NetworkConfig(num_nodes=2, num_regions=4))
        >>> places = Places(
        ...     name=("A", "B"),
        ...     latitude=np.array([40.7, 34.1]),
        ...     longitude=np.array([-74.0, -118.2]),
        ...     population=np.array([8.3e6, 3.8e6]),
        ...     region=np.array([0, 3]),
        ... )
        >>> ground = Ground(
        ...     network=network,
        ...     places=places,
        ...     home=np.array([0, 1, -1]),  # of three customers, one unknown
        ...     weight_lb=np.array([2.5, np.nan]),  # of two products
        ...     num_days=30,
        ...     events={"sale": [date(2026, 2, 1)]},
        ... )
        >>> len(ground.home), ground.places.name
        (3, ('A', 'B'))
    """

    network: Network
    places: Places
    home: IntArray  # [C] place of each customer of the order lines; -1 to draw it by population
    weight_lb: FloatArray  # [P] of each product of the order lines; NaN to draw it
    num_days: int  # that the orders cover, those at the end without any, too
    events: Mapping[str, Sequence[date]] = field(default_factory=dict)  # of the calendar

    def __post_init__(self) -> None:
        """Check the bounds; see the class."""
        regions, places = self.network.num_regions, len(self.places.name)
        inside = self.places.region < regions
        require(inside, "places.region", self.places.region, f"in [0, {regions})")
        inside = (self.home >= -1) & (self.home < places)
        require(inside, "ground.home", self.home, f"in [-1, {places})")
        fine = np.isnan(self.weight_lb) | (self.weight_lb > 0.0)
        require(fine, "ground.weight_lb", self.weight_lb, "> 0, or NaN")
