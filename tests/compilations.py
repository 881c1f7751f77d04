"""A program is compiled once: what fails where one is compiled again."""

import ast
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import MappingProxyType

from draingym.common.compiling import Compiling

ROOT = Path(__file__).parents[1]
FOLDERS = (
    *("common", "world", "simulator", "drain_model", "oracle", "policies", "forecasters"),
    "draingym",
)


@cache
def our_programs() -> frozenset[str]:
    """Names of all functions that the packages hand to ``jax.jit``, or decorate with it."""
    found: set[str] = set()
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef):
                    if any("jax.jit" in ast.unparse(each) for each in node.decorator_list):
                        found.add(node.name)
                elif isinstance(node, ast.Call) and ast.unparse(node.func) == "jax.jit":
                    parts = [part for each in node.args for part in ast.walk(each)]
                    found |= {part.id for part in parts if isinstance(part, ast.Name)}
    return frozenset(found)


@contextmanager
def compiled_once(
    several: Mapping[str, int] = MappingProxyType({}), *, little: int | None = None
) -> Iterator[Compiling]:
    """Fail where the block compiles one of our programs twice.

    Sizes must differ from those of other tests: what is in JAX's caches is not compiled at all.

    Args:
        several: Programs that may be compiled more often, such as ``requests_of`` once a policy.
        little: Programs of JAX's own functions, outside of ``jit``, at most.
    """
    with Compiling() as compiling:
        yield compiling
    ours = our_programs()
    again = {
        name: count
        for name, count in compiling.by_name.items()
        if name in ours and count > several.get(name, 1)
    }
    assert not again, f"compiled more than once: {again}"
    others = {name: n for name, n in compiling.by_name.items() if name not in ours}
    assert little is None or sum(others.values()) <= little, f"little programs: {others}"
