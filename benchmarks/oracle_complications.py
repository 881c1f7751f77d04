"""Is the emulated world a toy? What each complication adds between closest node and noise floor.

Drain is drawn for random stock configurations (12 nodes, 99 regions, 60 products) while the
complications of the emulated systems are switched on one by one. Each time the closest node is
tuned (temperature and rate scale, by CRPS) on other periods, and its node-level CRPS is divided by
that of the noise floor: the same systems on the same stock and regional view counts, with
customers, times, latents, sizes, baskets and costs drawn anew. What happened is one more such
draw, and the CRPS is the fair one, so that nothing that knows stock and views can score better.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks._common import (
    at_least,
    figure_only,
    print_claims,
    print_table,
    save_figure,
    write_result,
)
from draingym.common.bootstrap import bootstrap
from draingym.common.scores import crps
from draingym.drain_model.closest_node.cells import Tuned, sample, tune
from draingym.oracle.config import OracleConfig
from draingym.oracle.replays.noise_floor import ViewProfile, resample_drain
from draingym.oracle.systems import Systems, build_systems
from draingym.world.geography import great_circle_km, load_places, merge_regions
from draingym.world.network import Network, NetworkConfig, build_network
from draingym.world.views import ATTRIBUTES, ConversionRates, Places, Products, attribute_matrix

SEED = 0
NODES, REGIONS, PRODUCTS = 12, 99, 60
PERIOD_DAYS = 2  # as in the demo
TUNING, SCORED = 5, 5  # periods: independent stock configurations
SAMPLES = 64
VOLUMES = (1.35, 4.0, 13.5)  # units wanted by node, product and period: about 1, 3, 10 shipped
LARGE = 40.0  # about 30 shipped, for all complications on alone
DEFAULTS = OracleConfig()
LANES = (0, 1, 2)  # seeds of the lanes; a figure with lanes is a mean over them

# Orders of the demo's data, Ta-Feng: candidate views a basket, and units a line from one on.
BASKET = np.array([0.675, 0.222, 0.072, 0.021, 0.007, 0.003])
SIZES = np.array([0.558, 0.327, 0.047, 0.028, 0.007, 0.027, 0.006])
# Days differ for all products together (coefficient of variation .49 there) and for each on its
# own, of which promotions are most there (1.3; .5 here, so that a product's volume is one volume).
COMMON, OWN = 4.0, 4.0  # shapes of the gammas
COVER = 3.5  # mean periods of its market's demand on a shelf: seven days, as the demo's history


@dataclass(frozen=True, kw_only=True, slots=True)
class Switches:
    """Which complications are on."""

    zones: bool = False  # carrier zones and weight price a box; else its distance does
    sizes: bool = False  # lines of one unit or more, as customers order; else of one
    spread: bool = False  # customers in three-digit zips; else all at their region's centre
    promise: bool = False  # conversion follows the promise; else it does not, and nothing is late
    capacity: bool = False  # a node past its daily capacity promises a day later
    boxes: bool = False  # lines of one basket share a box; else each has its own
    opportunity: bool = False  # a scarce unit costs what the next customer nearby would pay
    lanes: bool = False  # persistent price levels of lanes


STEPS = (
    ("nearest node, from region centres", ""),
    ("+ carrier zones and weight", "zones"),
    ("+ lines of several units", "sizes"),
    ("+ customers spread in the region", "spread"),
    ("+ promise-dependent conversion", "promise"),
    ("+ node capacity", "capacity"),
    ("+ boxes shared across products", "boxes"),
    ("+ opportunity cost of stock", "opportunity"),
    ("+ lane effects: all on", "lanes"),
)
ALL = Switches(
    zones=True,
    sizes=True,
    spread=True,
    promise=True,
    capacity=True,
    boxes=True,
    opportunity=True,
    lanes=True,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """What stays the same while complications are switched on."""

    network: Network
    zips: Places
    products: Products
    demand: NDArray[np.float64]  # [P] units a day under the best promise
    glance_views: NDArray[np.int64]  # [P, T, Z]
    available: NDArray[np.int64]  # [P, T, N]


def make_setting(volume: float, *, single_units: bool, seed: int = SEED) -> Setting:
    """Draw products, view counts and stock.

    Args:
        volume: Mean units wanted per product, node and period under the best promise.
        single_units: Whether every line is of one unit.
        seed: Of everything.
    """
    rng = np.random.default_rng(seed)
    network = build_network(NetworkConfig(num_nodes=NODES, num_regions=REGIONS, num_upstream=0))
    zips = load_places()
    places = Places(
        name=zips.name,
        latitude=zips.latitude,
        longitude=zips.longitude,
        region=merge_regions(REGIONS)[zips.zip2],
        population=zips.population,
    )
    units = 1.0 if single_units else float(SIZES @ np.arange(1, len(SIZES) + 1)) / SIZES.sum()
    products = Products(
        id=tuple(f"product {i}" for i in range(PRODUCTS)),
        price=np.full(PRODUCTS, 30.0),
        unit_cost=np.full(PRODUCTS, 20.0),
        weight_lb=2.5 * np.exp(0.6 * rng.standard_normal(PRODUCTS)),  # as in ``WorldConfig``
        conversion=rng.beta(0.12 * 40.0, 0.88 * 40.0, PRODUCTS),
        units_per_order=np.full(PRODUCTS, units),
    )
    popularity = rng.lognormal(-0.5 * 0.5**2, 0.5, PRODUCTS)
    wanted = volume * NODES * popularity  # [P] units a period
    people = network.population / network.population.sum()
    # Good and bad days: of all products together, and each product's own.
    day = rng.gamma(COMMON, 1.0 / COMMON, TUNING + SCORED)
    day = day * rng.gamma(OWN, 1.0 / OWN, (PRODUCTS, TUNING + SCORED))
    mean = (wanted / units / products.conversion)[:, None, None] * day[:, :, None] * people
    # Where stock lies: half evenly, half as people do, each node with a cover of its own; three
    # shelves in ten are empty.
    near = np.bincount(network.distance_km.argmin(axis=0), people, NODES)
    place = 0.5 / NODES + 0.5 * near
    shape = (PRODUCTS, TUNING + SCORED, NODES)
    cover = rng.exponential(COVER, shape) * (rng.random(shape) < 0.7)
    return Setting(
        network=network,
        zips=places,
        products=products,
        demand=wanted / PERIOD_DAYS,
        glance_views=rng.poisson(mean),
        available=np.rint(wanted[:, None, None] * place * cover).astype(np.int64),
    )


def make_systems(
    setting: Setting, on: Switches, config: OracleConfig
) -> tuple[Systems, ViewProfile]:
    """Return the emulated systems with complications on, and how their views are drawn."""
    network, products = setting.network, setting.products
    places = setting.zips
    if not on.spread:
        places = Places(
            name=network.region_name,
            latitude=network.region_latitude,
            longitude=network.region_longitude,
            region=np.arange(REGIONS),
            population=network.population,
        )
    rates = ConversionRates.from_products(products)
    if not on.promise:  # every promise of something in stock is worth the same
        pmf = np.zeros_like(rates.pmf)
        pmf[:, :3, 2] = products.conversion[:, None]
        pmf[:, :, 3] = 1.0 - pmf.sum(axis=2)
        rates = ConversionRates(pmf=pmf)
    chosen = replace(
        config,
        capacity_factor=config.capacity_factor if on.capacity else 1e9,
        opportunity_cost=config.opportunity_cost if on.opportunity else 0.0,
        lane_effect_sd=config.lane_effect_sd if on.lanes else 0.0,
    )
    systems = build_systems(network, places, products, rates, setting.demand, chosen)
    if not on.zones:
        km = great_circle_km(
            network.node_latitude[:, None],
            network.node_longitude[:, None],
            places.latitude,
            places.longitude,
        )
        per_km = np.array([3.0, 0.2, 0.001, 0.0])  # USD a box, lb and km
        systems = replace(systems, zone=np.rint(km).astype(np.int64), rates=per_km)
    sizes = np.repeat(np.arange(1, len(SIZES) + 1), np.rint(1000 * SIZES).astype(int))
    pool = (sizes if on.sizes else np.ones(1, int)).astype(np.int32)
    basket = np.repeat(np.arange(1, len(BASKET) + 1), np.rint(1000 * BASKET).astype(int))
    by_region = np.argsort(places.region, kind="stable")
    region, people = places.region[by_region], places.population[by_region]
    total = np.bincount(region, people)
    within = np.cumsum(people) - (np.cumsum(total) - total)[region]
    hours = np.random.default_rng(SEED).beta(4.0, 3.0, 4096)  # most orders after noon
    profile = ViewProfile(
        hour=hours,
        basket_size=basket if on.boxes else np.ones(1, np.int64),
        quantity=np.tile(pool, PRODUCTS),
        quantity_offsets=np.arange(PRODUCTS + 1) * len(pool),
        place=by_region.astype(np.int32),
        place_cdf=np.minimum(region + within / total[region], region + 1.0),
    )
    return systems, profile


def measure(
    setting: Setting,
    on: Switches,
    config: OracleConfig,
    *,
    lanes: tuple[int, ...] = (0,),
    seed: int = SEED,
) -> dict[str, Any]:
    """Return units, both CRPS and their ratio with its interval over products.

    Args:
        setting: Products, views and stock.
        on: Which complications are on.
        config: Numbers of the systems.
        lanes: Seeds of lanes; scores are summed over them.
        seed: Of the draws.
    """
    parts = [_scores(setting, on, replace(config, seed=lane), seed) for lane in lanes]
    near = np.sum([part[0] for part in parts], axis=0)
    floor = np.sum([part[1] for part in parts], axis=0)
    entries = len(lanes) * PRODUCTS * SCORED * NODES
    ratio = bootstrap(near, floor)
    return {
        "units": float(np.mean([part[2] for part in parts])),
        "closest node": float(near.sum() / entries),
        "floor": float(floor.sum() / entries),
        "ratio": ratio.value,
        "low": ratio.low,
        "high": ratio.high,
        "by lanes": [round(float(part[0].sum() / part[1].sum()), 3) for part in parts],
        "temperature": parts[0][3].temperature * float(setting.network.distance_km.mean()),
        "rate scale": parts[0][3].rate_scale,
    }


def _scores(
    setting: Setting, on: Switches, config: OracleConfig, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], float, Tuned]:
    """Return CRPS by product of closest node and floor, mean units, and the closest node."""
    systems, profile = make_systems(setting, on, config)
    drawn = resample_drain(
        systems,
        profile,
        setting.available,
        setting.glance_views,
        period_days=PERIOD_DAYS,
        num_samples=SAMPLES + 1,
        seed=seed,
    )
    products, distance = setting.products, setting.network.distance_km
    rate = np.exp(attribute_matrix(products)[:, ATTRIBUTES.index("log_units_per_view")])

    def cells(values: NDArray[np.int64], periods: slice) -> NDArray[np.int64]:
        part = values[:, periods]
        return np.ascontiguousarray(part.reshape(-1, part.shape[-1]), np.int64)

    def known(periods: slice) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        count = len(range(*periods.indices(TUNING + SCORED)))
        views, stock = cells(setting.glance_views, periods), cells(setting.available, periods)
        return views, np.repeat(rate, count), stock

    early, late = slice(0, TUNING), slice(TUNING, None)
    actual = drawn.outbound[-1]
    closest = tune(distance, *known(early), cells(actual, early), seed=seed)
    guess, _ = sample(closest, distance, *known(late), SAMPLES, seed + 1)
    held = actual[:, late]
    guess = guess.reshape(SAMPLES, *held.shape)
    near = crps(guess, held).sum(axis=(1, 2))
    floor = crps(drawn.outbound[:-1, :, late], held).sum(axis=(1, 2))
    return near, floor, float(held.mean()), closest


def run() -> list[dict[str, Any]]:
    """Measure every step at every volume; print as it goes."""
    rows: list[dict[str, Any]] = []

    def add(label: str, volume: float, on: Switches, config: OracleConfig = DEFAULTS) -> None:
        setting = make_setting(volume, single_units=not on.sizes)
        lanes = LANES if on.lanes else LANES[:1]
        found = measure(setting, on, config, lanes=lanes)
        rows.append({"systems": label, "wanted": volume, **found})

    for volume in VOLUMES:
        on = Switches()
        for label, name in STEPS:
            on = replace(on, **{name: True}) if name else on
            add(label, volume, on)
    add(STEPS[-1][0], LARGE, ALL)
    # The upper end of what is plausible, and no node that is dear on all of its lanes.
    for volume in (VOLUMES[0], VOLUMES[-1]):
        add("all on, opportunity cost 3 USD", volume, ALL, OracleConfig(opportunity_cost=3.0))
        add("all on, lanes independent", volume, ALL, OracleConfig(lane_node_share=0.0))
    # Where the rest of the distance went: what order sizes and promises hide.
    add("all on, lines of one unit", VOLUMES[-1], replace(ALL, sizes=False))
    add("all on, conversion blind to promises", VOLUMES[-1], replace(ALL, promise=False))
    return rows


def draw(rows: list[dict[str, Any]]) -> Callable[[Any], None]:
    """Return a function that draws ratio by step, one line for each volume."""

    def on_axis(axis: Any) -> None:
        labels = [label for label, _ in STEPS]
        for volume in VOLUMES:
            part = [r for r in rows if r["wanted"] == volume and r["systems"] in labels]
            units = part[-1]["units"]
            at = np.arange(len(part))
            ratio = np.array([r["ratio"] for r in part])
            error = np.array([[r["ratio"] - r["low"], r["high"] - r["ratio"]] for r in part]).T
            axis.errorbar(ratio, at, xerr=error, marker="o", ms=4, label=f"{units:.1f} units")
        axis.set_yticks(range(len(labels)), labels, fontsize=7)
        axis.invert_yaxis()
        axis.axvline(1.0, color="0.6", lw=1)
        axis.set_xlabel("CRPS of the tuned closest node / noise floor")
        axis.legend(title="per node and period", frameon=False, fontsize=8)

    return on_axis


def main() -> None:
    """Run, print, draw and write."""
    began = time.perf_counter()
    rows = run()
    whole = [row for row in rows if row["systems"] == STEPS[-1][0]]
    bounds = (1.2, None, 2.0, None)
    what = "closest node's CRPS over the noise floor's, all on, at {:.1f} units"
    claims = [
        at_least(4, what.format(row["units"]), row["ratio"], "x", bound)
        if bound
        else figure_only(4, what.format(row["units"]), row["ratio"], "x")
        for row, bound in zip(whole, bounds, strict=True)
    ]
    seconds = time.perf_counter() - began
    print_table("Closest node and noise floor, node-level CRPS in units", rows)
    print_claims(claims)
    save_figure("oracle_complications", draw(rows))
    preset = (
        f"{NODES} nodes, {REGIONS} regions, {PRODUCTS} products, {PERIOD_DAYS}-day periods, random "
        f"stock; tuned on {TUNING} periods, scored on {SCORED}; systems at their defaults"
    )
    write_result("oracle_complications", "oracle", claims, rows, [SEED, *LANES], preset, seconds)


if __name__ == "__main__":
    main()
