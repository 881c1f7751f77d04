"""The drain model's sizes and training settings, in one frozen config."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from draingym.common.arrays import require_range, require_whole, short
from draingym.common.config import require_fields

MAX_CONVOLUTIONS = 16
MAX_RECEPTIVE_FIELD = 512  # periods

# From and up to where whole numbers make sense: far beyond what was ever tried, and before what
# fills the memory or compiles for hours.
_BOUNDS = {
    "width": (1, 1024),
    "heads": (1, 64),
    "kernel_size": (1, 64),
    "node_blocks": (0, 32),
    "location_blocks": (0, 32),
    "mlp_ratio": (1, 16),
    "num_atoms": (1, 256),
    "lane_heads": (0, 16),
    "lane_steps": (1, 16),  # compiled one after the other
    "pair_width": (1, 4096),
    "frequencies": (1, 16),  # float32 tells no waves apart that are much shorter
    "conversion_column": (0, 1023),
    "copula_rank": (1, 64),
    "batch_products": (1, 100_000),
    "epochs": (1, 1_000_000),
    "patience": (1, 1_000_000),
    "validate_every": (1, 1_000_000),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class DrainConfig:
    """Which variant of the network, its sizes, and how it is trained.

    Fields marked "not from the paper" are choices where the paper is silent, or additions.

    Raises:
        ValueError: If a value is out of its bounds.

    Source: Outbound, section 4 and Appendix A.
    """

    mixing: Literal["transformer", "rnn"] = "transformer"  # across nodes and across regions
    sales: bool = False  # regional orders of the period as an input: leaky, for diagnosis alone
    # Dates as inputs. Off: a log shorter than a year shows each date once, and a network that
    # sees dates fits them and extrapolates (benchmarks/drain.py measures it).
    calendar: bool = False
    pair_bias: bool = True  # attention knows distance and place of a pair (not from the paper)
    precision: Literal["float32", "bfloat16"] = "float32"  # of matrix products
    width: int = 16  # channels of every embedding
    heads: int = 4  # attention heads, a divisor of the width
    kernel_size: int = 3  # taps of a causal convolution (not from the paper)
    dilations: tuple[int, ...] = (1, 2, 4)  # periods, one entry a convolution
    node_blocks: int = 0  # blocks (or layers of the RNN) across nodes
    location_blocks: int = 0  # blocks (or layers of the RNN) across regions
    mlp_ratio: int = 2  # hidden width of a block's MLP over the width (not from the paper)
    num_atoms: int = 6  # K: outbound 0 .. K-1 units have probabilities of their own
    # Routings of regional demand to nodes with stock; 0 for the paper's plain head, which is given
    # nothing but embeddings (not from the paper).
    lane_heads: int = 1
    lane_steps: int = 1  # parts of a period's orders that are dealt with in turn
    # Where data say which node shipped to which region, lanes learn from it (not from the paper).
    lane_labels: bool = True
    usual_decay: float = 0.9  # per period, of the mean demand that stock is judged by
    pair_width: int = 128  # hidden width of the node-region pair network (not from the paper)
    frequencies: int = 5  # octaves of Fourier features of coordinates (not from the paper)
    conversion_column: int = 2  # attribute that is the log of units per view

    # Of all nodes' units. Few busy nodes: independent ones rank policies better. Many quiet ones,
    # as in the preset ``paper``: small errors add up in the total, unless it is learnt itself.
    joint: Literal["independent", "copula", "coherent"] = "independent"
    dependence_weight: float = 4.0  # of a joint's own loss, that of the split, over the others'
    cap: Literal["censored", "truncated"] = "censored"  # how stock limits a node's own draw
    copula_rank: int = 5  # factors that nodes share (not from the paper)

    batch_products: int = 4  # products an update sees, all their periods at once
    epochs: int = 16  # at most
    learning_rate: float = 4e-3  # peak
    pair_rate: float = 6.0  # learning rate of the pair network over that (not from the paper)
    warmup_share: float = 0.1  # share of all updates
    weight_decay: float = 1e-3
    clip_norm: float = 1.0
    average_decay: float = (
        0.95  # of the moving average of parameters; 0 is none (not from the paper)
    )
    validation_share: float = 0.06  # last share of the training periods
    patience: int = 8  # validations without a better loss before training stops
    validate_every: int = 2  # epochs

    def __post_init__(self) -> None:
        """Check types and bounds; see the class."""
        require_fields(self, "config")
        for name, (low, high) in _BOUNDS.items():
            require_whole(f"config.{name}", getattr(self, name), low=low, high=high)
        if self.mixing == "rnn" and self.width % 2:
            raise ValueError(f"config.width is {self.width}, must be even for the two directions")
        if self.width % self.heads:
            raise ValueError(f"config.heads is {self.heads}, must divide width = {self.width}")
        if not 1 <= len(self.dilations) <= MAX_CONVOLUTIONS:
            raise ValueError(
                f"config.dilations has {len(self.dilations)} entries, must have from 1 to "
                f"{MAX_CONVOLUTIONS}"
            )
        for i, dilation in enumerate(self.dilations):
            require_whole(f"config.dilations[{i}]", dilation, low=1)
        if self.receptive_field > MAX_RECEPTIVE_FIELD:
            raise ValueError(
                f"config.dilations is {short(self.dilations)} with kernel_size "
                f"{self.kernel_size}: they look back {self.receptive_field} periods, must be at "
                f"most {MAX_RECEPTIVE_FIELD}"
            )
        for name in ("learning_rate", "pair_rate", "clip_norm", "dependence_weight"):
            require_range(f"config.{name}", getattr(self, name), low=0.0, high=1e6, open_low=True)
        require_range("config.weight_decay", self.weight_decay, low=0.0, high=1e6)
        require_range("config.average_decay", self.average_decay, low=0.0, high=1.0, open_high=True)
        for name in ("usual_decay", "warmup_share", "validation_share"):
            value = getattr(self, name)
            require_range(f"config.{name}", value, low=0.0, high=1.0, open_low=True, open_high=True)

    @property
    def receptive_field(self) -> int:
        """Periods before the current one that the convolutions look back on."""
        return (self.kernel_size - 1) * sum(self.dilations)

    def fitted_periods(self, periods: int) -> int:
        """Return how many of the training periods are fitted; those after them validate."""
        return min(round(periods * (1.0 - self.validation_share)), periods - 1)


# ``small`` trains within a minute on two CPU cores; ``paper`` has the paper's sizes.
PRESETS: dict[str, DrainConfig] = {
    "small": DrainConfig(),
    "paper": DrainConfig(
        joint="coherent",
        width=64,
        heads=8,
        node_blocks=2,
        location_blocks=2,
        mlp_ratio=4,
        lane_heads=4,
        pair_rate=5.0,
        batch_products=160,
        learning_rate=1e-3,
        epochs=200,
    ),
}
