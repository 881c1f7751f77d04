"""What nobody controls: network, geography, products, glance views and orders.

``draingym.world.ta_feng``, ``draingym.world.eventlog`` and ``draingym.world.panel`` need the extra
``data`` and are imported as submodules.
"""

from draingym.world.geography import (
    Metros,
    Regions,
    ZipPlaces,
    great_circle_km,
    load_metros,
    load_places,
    load_regions,
    merge_regions,
)
from draingym.world.network import Network, NetworkConfig, build_network
from draingym.world.orders import OrderLines, World, WorldConfig, build_world
from draingym.world.views import (
    ATTRIBUTES,
    PROMISES,
    SHIP_OPTIONS,
    ConversionRates,
    Places,
    Products,
    Views,
    attribute_matrix,
)

__all__ = [
    "ATTRIBUTES",
    "PROMISES",
    "SHIP_OPTIONS",
    "ConversionRates",
    "Metros",
    "Network",
    "NetworkConfig",
    "OrderLines",
    "Places",
    "Products",
    "Regions",
    "Views",
    "World",
    "WorldConfig",
    "ZipPlaces",
    "attribute_matrix",
    "build_network",
    "build_world",
    "great_circle_km",
    "load_metros",
    "load_places",
    "load_regions",
    "merge_regions",
]
