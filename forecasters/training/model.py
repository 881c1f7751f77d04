"""What a forecasting network has to offer to be fitted, and the settings of its training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import jax
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Float, Int
from numpy.typing import NDArray

from draingym.common.arrays import require_range, require_whole
from draingym.common.config import require_fields
from draingym.forecasters.data.encoding import Layout
from draingym.forecasters.data.series import SeriesData
from draingym.forecasters.data.windows import Batch

Weights = dict[Any, Any]  # nested; leaves are arrays


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of training: its epochs, and what it trains.

    Raises:
        ValueError: If ``epochs`` is below 1.

    Example:
        >>> Stage("far", epochs=3, trains=("head",)).epochs
        3
    """

    name: str
    epochs: int | None = None  # those of the settings when not given
    # Paths of the weights that are trained begin with one of these; all when there are none.
    trains: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the epochs; see the class."""
        if self.epochs is not None:
            require_whole("stage.epochs", self.epochs, low=1)


class Model(Protocol):
    """A network with its losses: a frozen dataclass of plain values, which are its settings.

    Everything else of a forecaster is shared: windows, training, files, samples and scores.
    """

    def __hash__(self) -> int:
        """Return the hash of its settings: programs are compiled once for each."""
        ...

    @property
    def context(self) -> int:
        """Periods before the origin that a window holds, ``L``."""
        ...

    @property
    def horizon(self) -> int:
        """Periods after it, at most, ``H``."""
        ...

    @property
    def raw(self) -> tuple[str, ...]:
        """Columns of numbers that the windows hold as they are, and not around 0."""
        ...

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The parts of its training, one after the other; at least one."""
        ...

    def clean(self, data: SeriesData) -> SeriesData:
        """Return series as it wants them, before they are cut into windows."""
        ...

    def network(self, layout: Layout, rngs: nnx.Rngs) -> nnx.Module:
        """Return its network for columns such as these."""
        ...

    def initial(
        self, name: str, shape: tuple[int, ...], random: np.random.Generator
    ) -> NDArray[Any] | None:
        """Return what a weight begins with, by its path such as ``dense/kernel``.

        None for the rule of all models: kernels and embeddings from N(0, 1 / fan in), scales 1,
        all else 0. A network's own initialisers are not run: compiling them takes long.
        """
        ...

    def loss(
        self, network: Any, batch: Batch, key: Array | None, stage: int
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Return the sum of losses of a batch, and how many there are.

        Args:
            network: Made by ``network``.
            batch: Windows.
            key: Of dropout and noise; none at validation.
            stage: Index of the stage.
        """
        ...

    def point(self, network: Any, batch: Batch) -> Float[Array, "B H"] | None:
        """Return its forecast of one number a period, in units; None where that is the mean."""
        ...

    def samples(
        self,
        network: Any,
        batch: Batch,
        keys: Array,
        residuals: Float[Array, "R H"],
        number: int,
    ) -> Float[Array, "B N H"]:
        """Return joint samples of the horizon, in units.

        Args:
            network: Made by ``network``.
            batch: Windows; what lies after the origin is not there.
            keys: [B] of each series' random numbers.
            residuals: What points missed on the validation windows, over its width; no row
                where the model has no points of its own.
            number: ``N``.
        """
        ...


class ModelDefaults:
    """What most models have in common; a model that derives from it says what is its own.

    Example:
        >>> class Ours(ModelDefaults):
        ...     raw = ("stock",)  # and network, loss, point and samples: see ``Model``
        >>> Ours().raw, [stage.name for stage in Ours().stages]
        (('stock',), ['train'])
    """

    __slots__ = ()

    @property
    def raw(self) -> tuple[str, ...]:
        """No column is special."""
        return ()

    @property
    def stages(self) -> tuple[Stage, ...]:
        """One, that trains all."""
        return (Stage("train"),)

    def clean(self, data: SeriesData) -> SeriesData:
        """Return series as they are."""
        return data

    def initial(
        self, name: str, shape: tuple[int, ...], random: np.random.Generator
    ) -> NDArray[Any] | None:
        """Leave all weights to the rule."""
        del name, shape, random
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """How networks are trained, whichever they are.

    Raises:
        ValueError: If a value is out of its bounds.
    """

    epochs: int = 40  # most of a stage
    batch: int = 128  # windows of an update
    windows: int | None = 4096  # of an epoch, drawn anew for each; all when not given
    stride: int = 1  # periods between the origins of a series
    optimizer: Literal["adam", "cocob"] = "adam"  # cocob takes no learning rate
    learning_rate: float = 1e-3
    decay: float = 1.0  # of the learning rate, every ``decay_every`` updates
    decay_every: int = 1000
    l2: float = 0.0  # weight of half the sum of squared weights in the loss
    clip_norm: float = 1.0  # of the gradient
    patience: int = 6  # epochs without a better validation loss
    validate: bool = True  # hold the last origin out; without, the last epoch's weights are kept
    hidden: float = 0.05  # share of labels that are hidden, so that unknown ones are learned

    def __post_init__(self) -> None:
        """Check types and bounds; see the class."""
        require_fields(self, "training")
        for name in ("epochs", "batch", "stride", "decay_every", "patience"):
            require_whole(f"training.{name}", getattr(self, name), low=1)
        if self.windows is not None:
            require_whole("training.windows", self.windows, low=1)
        for name in ("learning_rate", "clip_norm"):
            require_range(f"training.{name}", getattr(self, name), low=0.0, open_low=True)
        require_range("training.decay", self.decay, low=0.0, high=1.0, open_low=True)
        require_range("training.l2", self.l2, low=0.0)
        require_range("training.hidden", self.hidden, low=0.0, high=1.0, open_high=True)

    def compiled(self) -> TrainConfig:
        """Return the settings with one value for all that no program depends on.

        Two runs that differ in how long they last, or in their learning rate, share their programs:
        the update of Adam at a rate is the rate times that at 1.
        """
        same = replace(self, epochs=1, batch=1, windows=None, stride=1, patience=1, validate=True)
        return replace(same, learning_rate=1.0)

    @property
    def rate(self) -> float:
        """What an update of the ``compiled`` optimiser is multiplied by; COCOB finds its own."""
        return 1.0 if self.optimizer == "cocob" else self.learning_rate

    def optimiser(self) -> optax.GradientTransformation:
        """Return the optimiser: clipping, L2, and Adam on its schedule or COCOB."""
        if self.optimizer == "cocob":
            rule = optax.contrib.cocob()
        else:
            rule = optax.adam(
                optax.exponential_decay(
                    self.learning_rate, self.decay_every, self.decay, staircase=True
                )
            )
        return optax.chain(
            optax.clip_by_global_norm(self.clip_norm), optax.add_decayed_weights(self.l2), rule
        )


def random_keys(seed: Array, keys: Int[Array, " B"]) -> Array:
    """Return a key for each series of a batch, which does not depend on the others."""
    made: Array = jax.vmap(lambda key: jax.random.fold_in(seed, key))(keys)
    return made
