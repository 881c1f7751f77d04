"""Settings of the monotone transformer, and what its network must know of the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from draingym.common.arrays import require_range, require_whole
from draingym.common.config import require_fields

_BOUNDS = {
    "context": (1, 4096),
    "horizon": (1, 4096),
    "near": (1, 4096),
    "far": (1, 4096),
    "layers": (0, 32),
    "heads": (1, 64),
    "head_width": (1, 256),
    "embedding": (1, 1024),
    "positions": (2, 256),
    "cycle": (1, 4096),
    "hidden_ratio": (1, 16),
    "near_epochs": (1, 1_000_000),
    "far_epochs": (1, 1_000_000),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class MonotoneConfig:
    """Sizes and stages; the defaults are the paper's where it gives any.

    Fields marked "not from the paper" are choices where the paper is silent, or ablations.

    Raises:
        ValueError: If a value is out of its bounds.

    Source: Zalando, sections 3 and 4.
    """

    context: int = 52  # periods of history that the encoder sees
    horizon: int = 26  # periods that are forecast
    near: int = 5  # first periods, of the near decoder; the horizon, and there is no other
    far: int = 20  # first periods that train the far decoder: beyond, it extrapolates
    layers: int = 6  # of the encoder, and of each decoder
    heads: int = 23
    head_width: int = 4  # d_k; the width of the network is heads * head_width
    embedding: int = 8  # channels of each category (not from the paper)
    positions: int = 8  # e_dim, channels of the periodic position features, even
    cycle: int = 52  # t_dim, periods in a year
    hidden_ratio: int = 2  # hidden width of feed-forward layers, of the width (not from the paper)
    dropout: float = 0.1  # share (not from the paper)
    # Free: a piece may fall (not from the paper: the ablation).
    response: Literal["monotone", "free"] = "monotone"
    # Of a series in the loss: the same for all, or its mean demand, as the paper weighs markets.
    weighting: Literal["equal", "demand"] = "equal"
    near_epochs: int = 7  # of encoder and near decoder, at most
    far_epochs: int = 1  # of the far decoder, everything else frozen, at most
    discount: str | None = None  # column known ahead, in [0, 0.7]; none is list price throughout
    stock: str | None = None  # past column of units: a period that has 0 is masked

    def __post_init__(self) -> None:
        """Check types and bounds; see the class."""
        require_fields(self, "monotone")
        for name, (low, high) in _BOUNDS.items():
            require_whole(f"monotone.{name}", getattr(self, name), low=low, high=high)
        require_range("monotone.dropout", self.dropout, low=0.0, high=1.0, open_high=True)
        if self.positions % 2:
            raise ValueError(f"monotone.positions is {self.positions}, must be even: sin and cos")

    @property
    def width(self) -> int:
        """Channels of the network, ``d_model``."""
        return self.heads * self.head_width

    @property
    def two_decoders(self) -> bool:
        """Whether a far decoder goes on where the near one ends."""
        return self.near < self.horizon


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """How many covariates of each kind there are; they come from the data."""

    past: int = 0  # numbers known of the past alone
    known: int = 0  # numbers known of the future too, the discount not among them
    static: int = 0  # numbers of a series
    dynamic: tuple[int, ...] = ()  # values that each category of a period may have
    codes: tuple[int, ...] = ()  # values that each category of a series may have
    # Where a window of the data has them.
    discount_at: int | None = None  # among the numbers known ahead; none is list price throughout
    stock_at: int | None = None  # among the numbers of the past
    codes_at: tuple[int, ...] = ()  # among the categories of a series
    nonnegative: bool = True  # whether demand was never negative
