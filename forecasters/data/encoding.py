"""Series as arrays: numbers brought to one scale, labels as codes, learned from training data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from draingym.common.arrays import FloatArray, IntArray
from draingym.forecasters.data.calendar_features import calendar_features, calendar_names
from draingym.forecasters.data.cleaning import forward_filled
from draingym.forecasters.data.series import Labels, SeriesData

UNKNOWN = 0  # the code of a label that was not seen in training, or is missing
ID = "id"  # the column of labels that a series' own id is


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Arrays:
    """Series, ``S`` of them, with room for windows that begin before the first period.

    Time axes have ``L`` periods of padding in front and ``H`` after the last period. On the host
    until a program takes them.
    """

    target: Float[Array, "S T"]  # units; 0 where missing
    filled: Float[Array, "S T"]  # units; the last value where missing
    observed: Bool[Array, "S T"]
    begun: Bool[Array, "S T"]  # from the first observation on
    past: Float[Array, "S T P"]  # around 0, of about unit size
    past_there: Bool[Array, "S T P"]
    known: Float[Array, "S T K"]
    known_labels: Int[Array, "S T J"]  # codes
    calendar: Float[Array, "T C"]
    static: Float[Array, "S F"]
    labels: Int[Array, "S G"]  # codes
    keys: Int[Array, " S"]  # of random numbers: what the id says, wherever the series stands

    def part(self, series: IntArray, first: int, stop: int) -> Arrays:
        """Return some series over a part of the time axis, on the host."""
        span = slice(first, stop)
        wide: tuple[str, ...] = ("target", "filled", "observed", "begun")
        wide += ("past", "past_there", "known", "known_labels")
        cut: dict[str, Any] = {n: np.asarray(getattr(self, n))[series, span] for n in wide}
        cut |= {n: np.asarray(getattr(self, n))[series] for n in ("static", "labels", "keys")}
        cut["calendar"] = np.asarray(self.calendar)[span]
        return replace(self, **cut)


@dataclass(frozen=True, slots=True)
class Layout:
    """What a network must know of its input: names of columns, and how many labels there are.

    Codes of labels are in [0, number]; 0 stands for one that was not seen in training.
    """

    past: tuple[str, ...]
    known: tuple[str, ...]
    known_labels: tuple[tuple[str, int], ...]  # name, labels seen
    calendar: tuple[str, ...]
    static: tuple[str, ...]
    labels: tuple[tuple[str, int], ...]
    nonnegative: bool  # whether no target in training was below 0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Encoder:
    """What was learned of columns in training: means and deviations, and the labels met."""

    means: Mapping[str, float]
    deviations: Mapping[str, float]
    vocabularies: Mapping[str, tuple[str, ...]]  # of each column of labels
    layout: Layout

    @classmethod
    def learned(cls, data: SeriesData, *, raw: tuple[str, ...] = ()) -> Encoder:
        """Learn from training data.

        Args:
            data: What is known at the end of training; columns known ahead count up to there.
            raw: Columns of numbers that stay as they are.
        """
        periods = data.num_periods
        numbers = {f"past {n}": x for n, x in data.past.items()}
        numbers |= {f"known {n}": x[:, :periods] for n, x in data.known.items()}
        numbers |= {f"static {n}": x for n, x in data.static.items()}
        means, deviations = {}, {}
        for name, values in numbers.items():
            there = values[~np.isnan(values)]
            keep = name.partition(" ")[2] in raw or there.size == 0
            means[name] = 0.0 if keep else float(there.mean())
            spread = 1.0 if keep else float(there.std())
            deviations[name] = spread if spread > 1e-9 * (1.0 + abs(means[name])) else 1.0
        words = {f"label {n}": x for n, x in data.labels.items()}
        words |= {f"known label {n}": x[:, :periods] for n, x in data.known_labels.items()}
        words[f"label {ID}"] = np.array(data.ids, np.str_)
        vocabularies = {
            name: tuple(str(word) for word in np.unique(values) if word != "")
            for name, values in words.items()
        }
        return cls.of(
            means,
            deviations,
            vocabularies,
            calendar_names(data.grid),
            bool((data.target[data.observed] >= 0).all()),
        )

    @classmethod
    def of(
        cls,
        means: Mapping[str, float],
        deviations: Mapping[str, float],
        vocabularies: Mapping[str, tuple[str, ...]],
        calendar: tuple[str, ...],
        nonnegative: bool,
    ) -> Encoder:
        """Return the encoder of what was learned."""

        def numbers(kind: str) -> tuple[str, ...]:
            return tuple(n.removeprefix(f"{kind} ") for n in means if n.startswith(f"{kind} "))

        def sizes(kind: str) -> tuple[tuple[str, int], ...]:
            return tuple(
                (name.removeprefix(f"{kind} "), len(words))
                for name, words in vocabularies.items()
                if name.startswith(f"{kind} ")
            )

        layout = Layout(
            past=numbers("past"),
            known=numbers("known"),
            known_labels=sizes("known label"),
            calendar=calendar,
            static=numbers("static"),
            labels=sizes("label"),
            nonnegative=nonnegative,
        )
        return cls(means=means, deviations=deviations, vocabularies=vocabularies, layout=layout)

    def arrays(self, data: SeriesData, context: int, horizon: int) -> Arrays:
        """Return series as arrays.

        A number that is missing is taken for the mean in training, a label that was not met there
        for the unknown one.

        Args:
            data: With the columns that were there in training.
            context: ``L``, periods of padding in front.
            horizon: ``H``, periods after the last of the target.

        Raises:
            ValueError: If a column of training is missing.
        """
        self._require_columns(data)
        layout, periods = self.layout, data.num_periods
        ahead = ((0, 0), (context, horizon))

        def padded(values: FloatArray) -> Any:
            return np.pad(np.nan_to_num(values), ahead).astype(np.float32)

        def stacked(columns: list[Any], shape: tuple[int, ...], dtype: Any) -> Any:
            found = np.stack(columns, axis=-1) if columns else np.zeros((*shape, 0))
            return found.astype(dtype)

        series, length = data.num_series, context + periods + horizon
        wide = (series, length)
        begun = np.logical_or.accumulate(data.observed, axis=1)
        ids = np.array([_hash(name) for name in data.ids], np.uint32)
        known = [self._around_zero("known", name, data.known[name]) for name in layout.known]
        codes = [
            np.pad(self._codes(f"known label {name}", data.known_labels[name]), ahead)
            for name, _ in layout.known_labels
        ]
        calendar = calendar_features(data.grid, periods + horizon)
        labels = dict(data.labels) | {ID: np.array(data.ids, np.str_)}
        parts: dict[str, Any] = dict(
            target=padded(data.target),
            filled=padded(forward_filled(data.target)),
            observed=np.pad(data.observed, ahead),
            begun=np.pad(begun, ahead),
            past=stacked(
                [padded(self._around_zero("past", n, data.past[n])) for n in layout.past],
                wide,
                np.float32,
            ),
            past_there=stacked(
                [np.pad(~np.isnan(data.past[n]), ahead) for n in layout.past], wide, bool
            ),
            known=stacked([padded(x)[:, :length] for x in known], wide, np.float32),
            known_labels=stacked([x[:, :length] for x in codes], wide, np.int32),
            calendar=np.pad(calendar, ((context, 0), (0, 0))).astype(np.float32),
            static=stacked(
                [
                    np.nan_to_num(self._around_zero("static", n, data.static[n]))
                    for n in layout.static
                ],
                (series,),
                np.float32,
            ),
            labels=stacked(
                [self._codes(f"label {name}", labels[name]) for name, _ in layout.labels],
                (series,),
                np.int32,
            ),
            keys=ids,
        )
        return Arrays(**parts)

    def _around_zero(self, kind: str, name: str, values: FloatArray) -> FloatArray:
        key = f"{kind} {name}"
        return (values - self.means[key]) / self.deviations[key]

    def _codes(self, key: str, values: Labels) -> IntArray:
        words = np.array(self.vocabularies[key], np.str_)
        if words.size == 0:
            return np.zeros(values.shape, np.int64)
        at = np.minimum(np.searchsorted(words, values), len(words) - 1)
        found: IntArray = np.where(words[at] == values, at + 1, UNKNOWN)
        return found

    def _require_columns(self, data: SeriesData) -> None:
        for kind, names, there in (
            ("past", self.layout.past, data.past),
            ("known", self.layout.known, data.known),
            ("known", [name for name, _ in self.layout.known_labels], data.known_labels),
            ("static", self.layout.static, data.static),
            ("static", [n for n, _ in self.layout.labels if n != ID], data.labels),
        ):
            for name in names:
                if name not in there:
                    raise ValueError(
                        f"column {name!r} ({kind}) is missing in the history, must be given as in "
                        "training"
                    )


def _hash(name: str) -> int:
    """Return a number for a name, the same in every process (FNV-1a)."""
    value = 2166136261
    for byte in name.encode():
        value = (value ^ byte) * 16777619 % 2**32
    return value
