"""How fast the drain model is: cached rollouts, memory of their gradient, and training.

Rollouts, at the paper's sizes on 20 nodes and 100 regions: the location stream is prepared once
and reused, and a step costs one period; against the same network that encodes the last 32 periods
of views and drain anew at every step (``drain_parts/rollout_speed.py``).

Training: updates beside the same network in PyTorch, both on the processor, of the paper's variants
and of the sizes that ship: the default of 6 nodes and 30 regions, and that of 20 nodes and 99
regions, which learns lanes from boxes (``drain_parts/training_speed.py``).

    python -m benchmarks.drain_speed [--preset small|paper]
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import jax
import tyro

from benchmarks._common import (
    REPEATS,
    Claim,
    Row,
    at_least,
    figure_only,
    print_claims,
    print_table,
    save_figure,
    write_result,
)
from benchmarks.drain_parts.models import variant
from benchmarks.drain_parts.rollout_speed import (
    FORWARD,
    GRADIENT,
    HORIZONS,
    memory_rows,
    rollout_claims,
    rollout_rows,
)
from benchmarks.drain_parts.rollouts import NODES, REGIONS
from benchmarks.drain_parts.training_speed import Training, paper_variants, training_rows
from benchmarks.drain_parts.window_drain import WINDOW
from benchmarks.scale_parts.configs import CONFIGS
from draingym.drain_model import PRESETS, DrainConfig


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


def shipped() -> list[Callable[[], Training]]:
    """Return the training of what ships: the preset ``small``, and that of ``benchmarks.scale``.

    Periods are those that are trained on in the demo and in the world ``paper``, where a node ships
    0.3 units of a product in a period.
    """
    small, paper = PRESETS["small"], CONFIGS["paper"]
    names = ("ours, 6 nodes and 30 regions", "ours, coherent, 20 nodes and 99 regions")
    return [
        partial(Training.of, names[0], small, small.batch_products, 40, (6, 30)),
        partial(Training.of, names[1], paper, paper.batch_products, 40, (20, 99), pace=0.3),
    ]


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
    training, reason = training_rows([*paper_variants(sizes.updates, sizes.periods), *shipped()])
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

    save_figure("drain_speed", lambda axes: draw(axes, rollouts, memory, training), panels=3)
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


def draw(axes: Any, rollouts: list[Row], memory: list[Row], training: list[Row]) -> None:
    """Draw how much faster rollouts are, their memory, and how much faster training is."""
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


if __name__ == "__main__":
    tyro.cli(main)
