"""What a picture of a period shows, and who paints it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from draingym.simulator.types import Series, State, Transition

FloatArray = NDArray[np.float32]
Frame = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """One period of one trajectory, on the host. All flows are zero before the first period.

    >>> nothing = np.zeros(1, np.float32)
    >>> scene = Scene(
    ...     period=3,
    ...     reward=-4.0,
    ...     on_hand=np.array([4.0], np.float32),
    ...     in_transit=nothing,
    ...     waiting=nothing,
    ...     shipped=nothing,
    ...     outbound=np.array([5.0], np.float32),
    ...     lost=nothing,
    ...     glance_views=np.array([5.0], np.float32),
    ... )
    >>> f"period {scene.period}: {scene.outbound.sum():.0f} sold, {scene.on_hand.sum():.0f} left"
    'period 3: 5 sold, 4 left'
    """

    period: int  # calendar index
    reward: float  # currency
    on_hand: FloatArray  # [N] units at the end of the period
    in_transit: FloatArray  # [E] units on their way; in a tree, to the node
    waiting: FloatArray  # [N] units of demand that wait
    shipped: FloatArray  # [E] units that the source shipped
    outbound: FloatArray  # [N] units shipped to customers
    lost: FloatArray  # [N] units of demand lost
    glance_views: FloatArray  # [Z] page views (units of demand where demand is local)


class Painter(Protocol):
    """Paints scenes of one environment; keeps its canvas between frames.

    >>> class Words:  # a painter that says what it sees
    ...     def paint(self, scene):
    ...         return np.full((32, 32, 3), 255, np.uint8)
    ...     def show(self, scene):
    ...         print(f"period {scene.period}: {scene.reward:.1f}")
    ...     def close(self):
    ...         pass
    >>> from types import SimpleNamespace
    >>> painter: Painter = Words()
    >>> painter.show(SimpleNamespace(period=3, reward=-4.0))
    period 3: -4.0
    """

    def paint(self, scene: Scene) -> Frame:
        """Return an image, [height, width, 3]."""
        ...

    def show(self, scene: Scene) -> None:
        """Show the image in a window, where there is a screen."""
        ...

    def close(self) -> None:
        """Give the canvas back."""
        ...


def make_scene(state: State, now: Series, transition: Transition | None) -> Scene:
    """Bring what a picture needs to the host.

    Args:
        state: The state after the period, or at the start.
        now: The period's exogenous values, without the time axis.
        transition: The period's flows; ``None`` at the start of a trajectory.
    """

    def flow(name: str, like: Any = state.on_hand) -> FloatArray:
        if transition is None:
            return np.zeros(np.shape(like)[-1:], np.float32)
        return host(getattr(transition, name))

    return Scene(
        period=int(now.period),
        reward=0.0 if transition is None else float(transition.reward),
        on_hand=host(state.on_hand),
        in_transit=host(state.pipeline).sum(axis=0),
        waiting=host(state.waiting),
        shipped=flow("shipped", state.pipeline),
        outbound=flow("outbound"),
        lost=flow("lost"),
        glance_views=host(now.glance_views),
    )


def host(values: Any) -> FloatArray:
    """Return a copy on the host."""
    return np.array(values, dtype=np.float32)
