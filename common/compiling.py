"""What JAX compiles while something runs: how many programs, of which functions, how long."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from jax import monitoring

_COMPILE = "/jax/core/compile/backend_compile_duration"


@dataclass(kw_only=True)
class Compiling:
    """Counts what is compiled inside a ``with`` block, in all threads.

    A program that is read from the persistent cache counts, too: its seconds are few.

    >>> import jax
    >>> with Compiling() as compiling:
    ...     _ = jax.jit(lambda x: x + 1)(1.0)
    >>> compiling.programs
    1
    """

    by_name: Counter[str] = field(default_factory=Counter)  # programs, by the function's name
    seconds: float = 0.0  # compiling; without tracing

    @property
    def programs(self) -> int:
        """How many there were."""
        return sum(self.by_name.values())

    def _count(self, event: str, duration_secs: float, **kwargs: Any) -> None:
        if event == _COMPILE:
            name = str(kwargs.get("fun_name", "unknown"))  # ``jit(update)``
            self.by_name[name.removeprefix("jit(").removesuffix(")")] += 1
            self.seconds += duration_secs

    def __enter__(self) -> Compiling:
        """Begin to count."""
        monitoring.register_event_duration_secs_listener(self._count)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop counting."""
        monitoring.unregister_event_duration_listener(self._count)
