"""Orders of benchmarks: real ones where they can be had, synthetic ones otherwise."""

from __future__ import annotations

from collections.abc import Callable

from draingym.demo.config import LoopConfig
from draingym.world.lines import OrderLines
from draingym.world.orders import World, build_world
from draingym.world.synthetic import synthetic_order_lines
from draingym.world.ta_feng import DataUnavailableError, load_order_lines


def order_lines(
    synthetic: Callable[[], OrderLines], *, real: bool = True
) -> tuple[str, OrderLines]:
    """Return real orders, or synthetic ones where those are out of reach or not wanted.

    Args:
        synthetic: Makes what stands in for real orders.
        real: If real orders are wanted.

    Returns:
        ``ta-feng`` or ``synthetic``, and the lines.
    """
    if real:
        try:
            return "ta-feng", load_order_lines()
        except DataUnavailableError as error:
            print(f"Real orders cannot be had ({error}): going on with synthetic ones.")
    return "synthetic", synthetic()


def demo_world(config: LoopConfig) -> World:
    """Return the demo's world."""
    _, lines = order_lines(lambda: synthetic_order_lines(seed=config.seed))
    return build_world(lines, config.world)
