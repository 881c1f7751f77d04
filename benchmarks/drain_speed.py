"""How fast the drain model is: cached rollouts, memory of their gradient, and training.

Rollouts, at the paper's sizes on 20 nodes and 100 regions: the location stream is prepared once
and reused, and a step costs one period; against the same network that encodes the last 32 periods
of views and drain anew at every step (``_window_drain.py``). Both make the same draws and must ship
the same units. The gradient is that of ship and holding cost in the units that arrive, with the
step recomputed (remat). Peak memory is what the compiler sets aside for temporaries.

Training: updates of the paper's variant beside the same network in PyTorch (``_torch_drain.py``),
both on the processor; with the same weights the losses of the first updates must be the same.

    python -m benchmarks.drain_speed [--preset small|paper]
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from jaxtyping import Array, Float

from benchmarks._common import (
    Claim,
    Row,
    at_least,
    figure_only,
    print_claims,
    print_table,
    save_figure,
    write_result,
)
from benchmarks._drain_models import variant
from benchmarks._window_drain import WINDOW, WindowDrain
from draingym.drain_model import (
    PRESETS,
    Checkpoint,
    DrainConfig,
    DrainData,
    Geography,
    LearnedDrain,
    Statistics,
)
from draingym.drain_model.checkpoint import graph_definition, initial_weights
from draingym.drain_model.kernel import LearnedParams
from draingym.drain_model.training import programs
from draingym.drain_model.training.losses import Losses
from draingym.drain_model.training.state import Learned
from draingym.simulator import History, Series

NODES, REGIONS, CALENDAR, ATTRIBUTES = 20, 100, 2, 3
HORIZONS = (8, 26, 52)  # periods, of the memory's table
REPEATS = 5
FORWARD, GRADIENT = 8.0, 4.0  # bars, times faster
TOLERANCE = 1e-4  # relative, of what both rollouts ship
# Relative, of PyTorch's first loss, and of the first after a change of the weights: Adam's first
# step divides a gradient by its own size, so that the rounding of the smallest ones shows.
LOSS_TOLERANCES = (1e-5, 1e-5, 1e-3)
HOLDING = 0.05  # currency per unit and period


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """How much is run."""

    products: int  # of a rollout
    horizon: int  # periods of a rollout
    low_horizon: int  # in bfloat16, which processors emulate
    periods: int  # of a training batch
    updates: tuple[tuple[str, str, int], ...]  # variant, preset and products of an update


SIZES = {
    "small": Sizes(
        products=1,
        horizon=26,
        low_horizon=8,
        periods=26,
        updates=(
            ("Transformer", "small", 4),
            ("Transformer", "small", 16),
            ("RNN", "small", 4),
            ("Transformer", "paper", 4),
        ),
    ),
    "paper": Sizes(
        products=160,
        horizon=52,
        low_horizon=52,
        periods=52,
        updates=(
            ("Transformer", "small", 4),
            ("Transformer", "small", 16),
            ("RNN", "small", 4),
            ("Transformer", "paper", 16),
        ),
    ),
}


def random_data(products: int, periods: int, seed: int) -> DrainData:
    """Return a panel of the right magnitudes; what is in it has no bearing on speed."""
    random = np.random.default_rng(seed)
    shape = (products, periods, NODES)
    nodes, regions = (random.uniform((28, -120), (46, -75), (n, 2)) for n in (NODES, REGIONS))
    gap = (nodes[:, None] - regions[None]) * np.array([111.0, 88.0])
    available = random.poisson(random.gamma(1.5, 6.0, shape))
    outbound = np.minimum(random.poisson(random.gamma(1.0, 5.0, shape)), available)
    arrays: dict[str, Any] = {
        "outbound": outbound,
        "ship_cost": outbound * random.gamma(20.0, 0.3, shape),
        "available": available,
        "glance_views": random.poisson(random.gamma(2.0, 5.0, (products, periods, REGIONS))),
        "calendar": random.standard_normal((periods, CALENDAR)),
        "attributes": random.normal((3.0, 1.0, -2.0), 0.4, (products, ATTRIBUTES)),
    }
    single: dict[str, Any] = {name: values.astype(np.float32) for name, values in arrays.items()}
    places = (nodes, regions, np.sqrt((gap**2).sum(axis=-1)))
    return DrainData(
        active=np.ones((periods, NODES), bool),
        geography=Geography(
            **dict(
                zip(
                    ("node_coordinates", "region_coordinates", "distance_km"),
                    (jnp.asarray(x, jnp.float32) for x in places),
                    strict=True,
                )
            )
        ),
        **single,
    )


def timed(
    functions: dict[str, Callable[[], Any]], repeats: int = REPEATS
) -> dict[str, tuple[float, float]]:
    """Return every function's median seconds, by the wall's and by the processor's clock.

    They take turns, so that what else the machine does falls on all of them.
    """
    clocks = (time.perf_counter, time.process_time)
    seen: dict[str, list[list[float]]] = {name: [] for name in functions}
    for repeat in range(repeats + 1):
        for name, function in functions.items():
            start = [clock() for clock in clocks]
            jax.block_until_ready(function())
            if repeat:  # the first one warms up
                seen[name].append([clock() - s for clock, s in zip(clocks, start, strict=True)])
    medians = {
        name: [statistics.median(column) for column in zip(*times, strict=True)]
        for name, times in seen.items()
    }
    return {name: (wall, processor) for name, (wall, processor) in medians.items()}


# --- Rollouts ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Rollouts:
    """Rollouts of one kernel over some products, [P, ...] throughout."""

    kernel: LearnedDrain
    params: LearnedParams
    series: Series  # WINDOW - 1 periods before the first one, and then the trajectory's
    history: History
    stock: Float[Array, "P N"]  # units on hand at the start
    arrivals: Float[Array, "P T N"]  # units

    @classmethod
    def of(cls, config: DrainConfig, products: int, horizon: int, seed: int) -> Rollouts:
        """Return rollouts of a freshly initialised network."""
        data = random_data(products, WINDOW + horizon, seed)
        checkpoint = Checkpoint(
            config=config,
            weights=initial_weights(config, CALENDAR, ATTRIBUTES, seed=seed),
            statistics=Statistics.from_data(data),
            node_coordinates=np.asarray(data.geography.node_coordinates),
        )
        everywhere, always = jnp.ones(NODES, bool), jnp.zeros(NODES, jnp.int32)
        kernel, params = LearnedDrain.bind(checkpoint, data.geography, everywhere, always)
        # The first period is history alone: a window has one period of drain less than of views.
        inputs = data.inputs()
        views, periods = inputs.glance_views[:, 1:], WINDOW - 1 + horizon
        lead, key = (products, periods), jax.random.key(seed)
        uniforms = jax.random.uniform(key, (*lead, kernel.num_uniforms), minval=0.01, maxval=0.99)
        series = Series(
            period=jnp.broadcast_to(jnp.arange(periods), lead),
            glance_views=views,
            forecast=jnp.zeros_like(views),
            price=jnp.ones(lead),
            unit_cost=jnp.ones(lead),
            attributes=inputs.attributes[:, 1:],
            calendar=inputs.calendar[:, 1:],
            lead_share=jnp.zeros((*lead, NODES, 2)),
            last=jnp.zeros(lead, bool),
            round_uniform=jnp.zeros((*lead, NODES)),
            drain_uniform=uniforms,
        )
        past = History(
            outbound=inputs.outbound[:, :WINDOW],
            ship_cost=inputs.ship_cost[:, :WINDOW],
            available=inputs.available[:, :WINDOW],
        )
        return cls(
            kernel=kernel,
            params=params,
            series=series,
            history=past,
            stock=inputs.available[:, WINDOW],
            arrivals=jnp.floor(0.25 * inputs.available[:, WINDOW:]),
        )

    def prepare(self, params: LearnedParams) -> Any:
        """Return what no action changes, by period of the trajectory."""

        def one(series: Series) -> Any:
            found = self.kernel.prepare(params, series)
            return jax.tree.map(lambda x: x[-self.arrivals.shape[1] :], found)

        return jax.vmap(one)(self.series)

    def run(
        self, params: LearnedParams, exogenous: Any, arrivals: Array, *, remat: bool
    ) -> tuple[Array, tuple[Array, Array]]:
        """Return ship and holding cost, and units and cost of every period [P, T, N]."""

        def one(
            series: Series, exogenous: Any, history: History, stock: Array, arrivals: Array
        ) -> Any:
            def period(carry: tuple[Any, Array], now: tuple[Any, Array, Array]) -> Any:
                memory, stock = carry
                exogenous, uniforms, arrived = now
                available = stock + arrived
                memory, drain = self.kernel.drain(params, memory, available, exogenous, uniforms)
                stock = available - drain.outbound
                return (memory, stock), (drain.outbound, drain.ship_cost, stock)

            body = jax.checkpoint(period, prevent_cse=False) if remat else period
            uniforms = series.drain_uniform[-arrivals.shape[0] :]
            start = (self.kernel.init(params, history), stock)
            _, (units, cost, left) = jax.lax.scan(body, start, (exogenous, uniforms, arrivals))
            return jnp.sum(cost) + HOLDING * jnp.sum(left), (units, cost)

        total, flows = jax.vmap(one)(self.series, exogenous, self.history, self.stock, arrivals)
        return jnp.sum(total), flows

    def compiled(self, kind: Literal["prepare", "forward", "remat", "stored"]) -> Any:
        """Compile one function; it takes the parameters, and but for ``prepare`` the rest too."""
        if kind == "prepare":
            return jax.jit(self.prepare).lower(self.params).compile()
        exogenous = jax.eval_shape(self.prepare, self.params)

        def run(params: LearnedParams, exogenous: Any, arrivals: Array) -> Any:
            return self.run(params, exogenous, arrivals, remat=kind == "remat")

        function = run if kind == "forward" else jax.grad(run, argnums=2, has_aux=True)
        return jax.jit(function).lower(self.params, exogenous, self.arrivals).compile()

    def windows(self) -> Rollouts:
        """Return the same rollouts without a cache."""
        return replace(self, kernel=WindowDrain.of(self.kernel))


def compiled(rollouts: Rollouts, kind: Any) -> tuple[Any, float]:
    """Return a compiled function, and how long compiling it took."""
    start = time.perf_counter()
    found = rollouts.compiled(kind)
    return found, time.perf_counter() - start


def rollout_rows(label: str, config: DrainConfig, products: int, horizon: int) -> Iterable[Row]:
    """Time both kernels; yield a row for each direction.

    Raises:
        RuntimeError: If they do not ship the same units at the same cost.
    """
    cached = Rollouts.of(config, products, horizon, seed=0)
    both = {"cached": cached, "windows": cached.windows()}
    calls: dict[str, Callable[[], Any]] = {}
    compiling: dict[str, float] = {}
    for name, rollouts in both.items():
        prepare, compiling[f"{name} prepare"] = compiled(rollouts, "prepare")
        exogenous = prepare(rollouts.params)
        calls[f"{name} prepare"] = partial(prepare, rollouts.params)
        for kind in ("forward", "remat"):
            function, compiling[f"{name} {kind}"] = compiled(rollouts, kind)
            calls[f"{name} {kind}"] = partial(
                function, rollouts.params, exogenous, rollouts.arrivals
            )
    if config.precision == "float32":
        names = ("units", "cost", "gradient", "units", "cost")
        (_, flows), (gradient, more) = (calls[f"cached {k}"]() for k in ("forward", "remat"))
        (_, flows_w), (gradient_w, more_w) = (calls[f"windows {k}"]() for k in ("forward", "remat"))
        pairs = zip((*flows, gradient, *more), (*flows_w, gradient_w, *more_w), strict=True)
        for name, (a, b) in zip(names, pairs, strict=True):
            scale = float(jnp.max(jnp.abs(a)))
            gap = float(jnp.max(jnp.abs(a - b))) / scale if scale > 0 else np.inf
            if not gap <= TOLERANCE:
                raise RuntimeError(f"{label}: {name} with and without cache differ by {gap:.2g}")
    times = timed(calls)
    for kind, direction in (("forward", "forward"), ("remat", "gradient")):
        fast, slow = times[f"cached {kind}"], times[f"windows {kind}"]
        yield {
            "network": label,
            "precision": config.precision,
            "direction": direction,
            "horizon": horizon,
            "products": products,
            "cached, ms": 1e3 * fast[0],
            "location stream, ms": 1e3 * times["cached prepare"][0],
            "windows, ms": 1e3 * slow[0],
            "times faster": slow[0] / fast[0],
            "times faster, processor": slow[1] / fast[1],
            "times faster, stream included": slow[0] / (fast[0] + times["cached prepare"][0]),
            "compile, s": max(compiling[f"{name} {kind}"] for name in both),
        }


def memory_rows(label: str, config: DrainConfig, products: int) -> Iterable[Row]:
    """Yield the peak memory of the gradient by kernel, remat and horizon."""
    for horizon in HORIZONS:
        cached = Rollouts.of(config, products, horizon, seed=0)
        for name, rollouts in (("cached", cached), ("windows", cached.windows())):
            for kind, said in (("remat", "yes"), ("stored", "no")):
                function, _ = compiled(rollouts, kind)
                yield {
                    "network": label,
                    "kernel": name,
                    "remat": said,
                    "horizon": horizon,
                    "products": products,
                    "peak memory, MB": function.memory_analysis().temp_size_in_bytes / 1e6,
                }


# --- Training ------------------------------------------------------------------------------------


def training_row(label: str, config: DrainConfig, batch: int, periods: int) -> Row:
    """Time updates of both networks on the processor, and check that they learn the same.

    Raises:
        ImportError: If PyTorch is not there.
        RuntimeError: If the losses of the first updates differ.
    """
    import torch

    from benchmarks._torch_drain import TorchDrain, Trainer, batch_of

    data = random_data(batch, periods, seed=1)
    weights = initial_weights(config, CALENDAR, ATTRIBUTES, seed=0)
    updates = 2 * REPEATS + 20
    stats = Statistics.from_data(data)
    panel = programs.Panel(
        statistics=stats,
        geography=jax.tree.map(jnp.asarray, data.geography),
        inputs=data.inputs(),
    )
    ones = jax.tree.map(jnp.ones_like, Losses.zeros())
    learned = Learned(
        weights=weights,
        average=weights,
        best=weights,
        optimizer=programs.optimizer_of(config, updates).init(weights),
        balance=ones,
    )
    rows = jnp.arange(batch)[None]
    start = time.perf_counter()
    definition = graph_definition(config, CALENDAR, ATTRIBUTES)
    sizes = (updates, periods, programs.cache_chunk(batch))
    step = programs.update.lower(definition, config, *sizes, learned, rows, panel).compile()
    seconds = time.perf_counter() - start

    network = TorchDrain(config, stats, data, ATTRIBUTES)
    network.copy(weights)
    schedule = programs.schedule_of(config, updates)
    trainer = Trainer(network, config, np.array([schedule(i) for i in range(updates)]))
    part = batch_of(data, np.arange(batch), periods)

    def ours() -> float:
        nonlocal learned
        learned, losses, _ = step(learned, rows, panel)
        return float(losses[0])

    for update, tolerance in enumerate(LOSS_TOLERANCES, start=1):
        a, b = ours(), trainer.update(part)
        if not abs(a - b) <= tolerance * abs(a):
            raise RuntimeError(f"{label}: loss {a} of update {update} is {b} in PyTorch")
    times = timed({"jax": ours})
    # PyTorch is not always faster on more threads: its better time counts.
    best: dict[int, tuple[float, float]] = {}
    for threads in (1, 2):
        torch.set_num_threads(threads)
        best[threads] = timed({"torch": lambda: trainer.update(part)})["torch"]
    threads = min(best, key=lambda n: best[n][0])
    times["torch"] = best[threads]
    rate = {name: batch * periods / wall for name, (wall, _) in times.items()}
    return {
        "network": label,
        "products": batch,
        "periods": periods,
        "JAX, product-periods/s": rate["jax"],
        "PyTorch, product-periods/s": rate["torch"],
        "times faster": times["torch"][0] / times["jax"][0],
        "times faster, processor": times["torch"][1] / times["jax"][1],
        "PyTorch's threads": threads,
        "compile, s": seconds,
    }


def training_rows(sizes: Sizes) -> tuple[list[Row], str]:
    """Return the rows of training, or none and why."""
    try:
        import torch  # noqa: F401
    except ImportError as error:
        return [], f"PyTorch cannot be imported ({error}): training is not compared"
    rows = []
    with jax.default_device(jax.devices("cpu")[0]):
        for name, preset, batch in sizes.updates:
            config = variant(name, preset)
            rows.append(training_row(f"{name}, {preset} sizes", config, batch, sizes.periods))
    return rows, ""


# --- Everything ----------------------------------------------------------------------------------


def networks() -> dict[str, DrainConfig]:
    """Return the networks of the rollouts, all of the paper's size.

    Lanes look back on demand with a weight that never quite ends; it ends within a window here, so
    that both kernels see the same.
    """
    return {
        "paper's Transformer": variant("Transformer", "paper"),
        "paper's RNN": variant("RNN", "paper"),
        "ours": replace(PRESETS["paper"], usual_decay=0.7),
    }


def rollout_claims(rows: Iterable[Row]) -> list[Claim]:
    """Return the claims of bar 4: in float32 they have a bound."""
    claims = []
    for row in rows:
        what = f"cached rollout over windows, {row['direction']}, {row['network']}"
        value, single = row["times faster"], row["precision"] == "float32"
        bound = FORWARD if row["direction"] == "forward" else GRADIENT
        if single:
            claims.append(at_least(4, what, value, "x", bound))
            included = row["times faster, stream included"]
            claims.append(figure_only(4, f"{what}, location stream included", included, "x"))
        else:
            claims.append(figure_only(4, f"{what}, {row['precision']}", value, "x"))
    return claims


def main(preset: Literal["small", "paper"] = "small") -> None:
    """Run all, print the tables, and write the result.

    Args:
        preset: ``small`` for two processor cores, ``paper`` for a GPU. Networks of rollouts have
            the paper's size in both.
    """
    began = time.perf_counter()
    # Full float32 products on a GPU too: both kernels must make the same draws.
    jax.config.update("jax_default_matmul_precision", "highest")
    sizes, configs = SIZES[preset], networks()
    rollouts: list[Row] = []
    for label, config in configs.items():
        rollouts += rollout_rows(label, config, sizes.products, sizes.horizon)
    low = replace(configs["ours"], precision="bfloat16")
    rollouts += rollout_rows("ours", low, sizes.products, sizes.low_horizon)
    print_table("Rollouts", rollouts)
    memory = list(memory_rows("ours", configs["ours"], sizes.products))
    print_table("Peak memory of the gradient", memory)
    training, reason = training_rows(sizes)
    claims = rollout_claims(rollouts)
    for row in memory:
        if row["horizon"] == HORIZONS[-1]:
            remat = "with" if row["remat"] == "yes" else "without"
            what = f"memory of the gradient, {row['kernel']}, {remat} remat, {HORIZONS[-1]} periods"
            claims.append(figure_only(4, what, row["peak memory, MB"], "MB"))
    if training:
        print_table("Training", training)
    else:
        print(reason)
        claims.append(
            Claim(
                bar=5,
                what=reason,
                value=float("nan"),
                unit="x",
                needs=">= 1",
                passes=False,
            )
        )
    for row in training:
        what = f"training over PyTorch, {row['network']}, {row['products']} products an update"
        claims.append(at_least(5, what, row["times faster"], "x", 1.0))
    print_claims(claims)

    def draw(axes: Any) -> None:
        names = [f"{r['network']}, {r['direction']}, {r['precision']}" for r in rollouts]
        axes[0].barh(names, [r["times faster"] for r in rollouts], color="0.4")
        for bound in (FORWARD, GRADIENT):
            axes[0].axvline(bound, color="C3", lw=1)
        axes[0].set_xlabel("times faster than encoding windows")
        for kernel, colour in (("cached", "C0"), ("windows", "C1")):
            for remat, line in (("yes", "o-"), ("no", "o--")):
                part = [r for r in memory if (r["kernel"], r["remat"]) == (kernel, remat)]
                axes[1].plot(
                    [r["horizon"] for r in part],
                    [r["peak memory, MB"] for r in part],
                    line,
                    color=colour,
                    label=f"{kernel}, {'with' if remat == 'yes' else 'without'} remat",
                )
        axes[1].set_yscale("log")
        axes[1].set_xlabel("periods")
        axes[1].set_ylabel("memory of the gradient, MB")
        axes[1].legend(frameon=False)
        names = [f"{r['network']}, {r['products']} products" for r in training]
        axes[2].barh(names, [r["times faster"] for r in training], color="0.4")
        axes[2].axvline(1.0, color="C3", lw=1)
        axes[2].set_xlabel("training, times faster than PyTorch")
        for axis in (axes[0], axes[2]):
            axis.invert_yaxis()
            axis.tick_params(axis="y", labelsize=7)

    save_figure("drain_speed", draw, panels=3)
    said = (
        f"{preset}: networks of the paper's size on {NODES} nodes and {REGIONS} regions, "
        f"{sizes.products} products, {sizes.horizon} periods; windows of {WINDOW} periods; "
        f"medians of {REPEATS} repeats that take turns"
    )
    write_result(
        "drain_speed",
        "drain-model",
        claims,
        [*rollouts, *memory, *(training or [{"skipped": reason}])],
        [0, 1],
        said,
        time.perf_counter() - began,
    )


if __name__ == "__main__":
    tyro.cli(main)
