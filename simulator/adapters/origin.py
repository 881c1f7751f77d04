"""What an environment was made by: what tells one problem of the registry from another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from draingym.common.arrays import short


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """An id of Gymnasium's registry, and the options that make the problem another one.

    Two are equal where policies of the one may act in the other: how long an episode is, how things
    are shown and what is left at its default make no difference.
    """

    id: str
    options: tuple[tuple[str, Any], ...] = ()  # plain values by name, in the order of names

    @classmethod
    def of(cls, id: str, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> Origin:
        """Return the origin of what was made with some options.

        Args:
            id: Its id.
            given: The problem's own options, plain values.
            defaults: Those that they have where they are not given.
        """
        told = {
            name: _frozen(value)
            for name, value in sorted(given.items())
            if name != "horizon" and (name not in defaults or _frozen(defaults[name]) != value)
        }
        return cls(id=id, options=tuple(told.items()))

    def to_file(self) -> dict[str, Any]:
        """Return plain values, as JSON has them."""
        return {"id": self.id, "options": dict(self.options)}

    @classmethod
    def from_file(cls, values: Any, what: str) -> Origin | None:
        """Return what ``to_file`` wrote; None where there was nothing.

        Raises:
            ValueError: If the values are something else, naming the file by ``what``.
        """
        if values is None:
            return None
        match values:
            case {"id": str(), "options": dict()}:
                return cls.of(values["id"], values["options"], {})
        raise ValueError(f"{what}: environment is {short(values)}, must hold an id and options")

    def __str__(self) -> str:
        """Return ``draingym/SingleStore-v0, backlog=True``."""
        return ", ".join([self.id, *(f"{name}={value!r}" for name, value in self.options)])


def _frozen(value: Any) -> Any:
    """Return lists as tuples, all the way down."""
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value
