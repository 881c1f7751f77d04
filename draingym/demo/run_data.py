"""What a run starts from and is judged in: orders, world, log, panel, oracle and hidden truth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from draingym.common.config import read_config, require_fields
from draingym.common.files import read_json
from draingym.demo.config import LoopConfig
from draingym.demo.history import true_systems
from draingym.oracle.estimates.rates import estimate_rates
from draingym.oracle.replays.latents import sample_latent
from draingym.oracle.systems import Systems, build_systems
from draingym.policies.validation.overlap import Fitted
from draingym.policies.validation.validate import ReplayedWorld
from draingym.world.eventlog import EventLog, read_log
from draingym.world.identity import WorldIdentity
from draingym.world.lines import OrderLines
from draingym.world.orders import World, build_world
from draingym.world.panel import load_panel
from draingym.world.synthetic import synthetic_order_lines
from draingym.world.ta_feng import load_order_lines
from draingym.world.views import ConversionRates

ORDERS = "orders.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Orders:
    """Where a run's order lines come from: what ``orders.json`` holds."""

    source: Literal["ta-feng", "synthetic"]
    fallback: str | None = None  # why they are synthetic, where real ones were wanted

    def __post_init__(self) -> None:
        """Check the fields."""
        require_fields(self)


def fitted_world(
    panel: xr.Dataset, products: NDArray[np.bool_], known_periods: int
) -> WorldIdentity:
    """Return the identity of some products of a panel, and of its first periods."""
    found = WorldIdentity.from_panel(panel)
    if found is None:
        raise ValueError("panel does not name its nodes, regions, products and dates, must do so")
    ids = [str(name) for name in panel["product"].to_numpy()[products]]
    return found.of(ids, known_periods)


class RunData:
    """The part of a run's folder that no model is in; each thing is read when first needed."""

    def __init__(self, config: LoopConfig, out: Path) -> None:
        """Do nothing yet."""
        self.config = config
        self.out = out

    @cached_property
    def order_lines(self) -> OrderLines:
        """The order lines that the first stage settled on."""
        path = self.out / ORDERS
        found: Orders = read_config(Orders, read_json(path), str(path))
        if found.source == "ta-feng":
            return load_order_lines()
        return synthetic_order_lines(seed=self.config.seed)

    @cached_property
    def world(self) -> World:
        """The world, hidden truth included."""
        return build_world(self.order_lines, self.config.world)

    @cached_property
    def log(self) -> EventLog:
        """The event log, checked."""
        return read_log(self.out / "log")

    @cached_property
    def panel(self) -> xr.Dataset:
        """The log by periods, checked."""
        path = self.out / "panel.zarr"
        panel, network = load_panel(path), self.world.network
        for name, size in (
            ("product", self.world.products.num_products),
            ("period", self.world.num_periods),
            ("node", network.num_nodes),
            ("region", network.num_regions),
        ):
            if panel.sizes.get(name) != size:
                raise ValueError(
                    f"{path}: {name} has {panel.sizes.get(name)} entries, must have {size}, as the "
                    "run's config says"
                )
        return panel

    @cached_property
    def split(self) -> int:
        """The first period that is held out of every fit."""
        return round(self.world.num_periods * self.config.train_share)

    @property
    def test_horizon(self) -> int:
        """Held-out periods."""
        return self.world.num_periods - self.split

    @cached_property
    def trained_products(self) -> NDArray[np.bool_]:
        """[P] products that models and policies are fitted on, spread over ranks of sales."""
        rank = np.arange(self.world.products.num_products)
        share = self.config.train_products
        chosen: NDArray[np.bool_] = np.floor((rank + 1) * share) > np.floor(rank * share)
        return chosen

    def require_sizes(self) -> None:
        """Raise unless there are periods and products enough to train on and to hold out.

        Raises:
            ValueError: Naming the field of the config, its value and the bound.
        """
        config, periods = self.config, self.world.num_periods
        if not 2 <= self.split < periods:
            raise ValueError(
                f"train_share is {config.train_share}, must leave at least 2 of the {periods} "
                "periods to train on and 1 to hold out"
            )
        if config.training_horizon >= self.split:
            raise ValueError(
                f"training_horizon is {config.training_horizon}, must be in [1, {self.split - 1}], "
                f"with {self.split} periods to train on"
            )
        if not self.trained_products.any():
            raise ValueError(
                f"train_products is {config.train_products}, must be the share of at least 1 of "
                f"the {self.trained_products.size} products"
            )

    @property
    def judges(self) -> NDArray[np.int64]:
        """Products that a validation is about: those held out, or all where none is."""
        held_out = np.flatnonzero(~self.trained_products)
        return held_out if held_out.size else np.arange(self.trained_products.size)

    @cached_property
    def identity(self) -> WorldIdentity:
        """The network, and the products and periods that models and policies are fitted on."""
        return fitted_world(self.panel, self.trained_products, self.split)

    @property
    def fitted(self) -> Fitted:
        """What models and policies are fitted on."""
        ids = np.asarray(self.world.products.id, dtype=object)
        return Fitted(product_id=tuple(ids[self.trained_products]), stop_period=self.split)

    # The worlds that judge

    @cached_property
    def estimated_rates(self) -> ConversionRates:
        """Conversion rates as the log shows them."""
        return estimate_rates(self.log)

    @cached_property
    def oracle_systems(self) -> Systems:
        """The systems as they look to one who knows the log: rates are estimated."""
        world, panel = self.world, self.panel
        ordered = np.asarray(panel["ordered_units"]).sum(axis=(1, 2))
        days = world.num_periods * world.period_days
        return build_systems(
            world.network,
            world.places,
            world.products,
            self.estimated_rates,
            ordered / days,
            self.config.oracle,
        )

    def oracle(self, replications: int, seed: int | None = None) -> ReplayedWorld:
        """Return the log's customers with latents drawn given what they did, systems estimated."""
        first = self.config.seed if seed is None else seed
        return ReplayedWorld(
            systems=self.oracle_systems,
            views=[
                sample_latent(self.log, self.estimated_rates, self.world.places, seed=first + r)
                for r in range(replications)
            ],
        )

    def truth(self, replications: int) -> ReplayedWorld:
        """Return the hidden truth: the customers themselves, and the systems that wrote the log."""
        world = self.world
        return ReplayedWorld(
            systems=true_systems(world, self.config),
            views=[world.views.candidates(world.rates)] * replications,
        )
