"""Imports point one way, and the core does without the heavy packages of the extras."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Each package, and the packages of this repository that it may import.
ALLOWED: dict[str, set[str]] = {
    "world": set(),
    "forecasters": {"world"},
    "simulator": {"world"},
    "drain_model": {"world", "simulator"},
    "oracle": {"world", "simulator"},
    "policies": {"world", "forecasters", "simulator", "drain_model", "oracle"},
    "draingym": {"world", "forecasters", "simulator", "drain_model", "oracle", "policies"},
}
# Python that is no part of the distribution: packages must not import it.
NOT_SHIPPED = {"benchmarks", "conftest", "docs", "examples", "tests", "tools"}

# They come with extras, so that a core install imports without them.
HEAVY = {
    *("duckdb", "grain", "ibis", "jinja2", "lightgbm", "matplotlib", "numba", "pandas", "pyarrow"),
    *("statsmodels", "tensorboardX", "xarray", "zarr"),
}


def imports_of(source: str) -> set[tuple[int, str]]:
    """The top-level packages that a module imports, anywhere in it, each with its line."""
    found: set[tuple[int, str]] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found |= {(node.lineno, alias.name.partition(".")[0]) for alias in names}
            case ast.ImportFrom(module=str(module), level=0):
                found.add((node.lineno, module.partition(".")[0]))
            case ast.Call(
                func=ast.Name(id="__import__" | "import_module")
                | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(module)), *_],
            ):
                found.add((node.lineno, module.partition(".")[0]))
    return found


def against_the_rule(package: str, source: str) -> list[tuple[int, str]]:
    """The imports of `source`, a module of `package`, that the rule forbids."""
    forbidden = (ALLOWED.keys() | NOT_SHIPPED) - ALLOWED[package] - {package}
    return sorted((line, name) for line, name in imports_of(source) if name in forbidden)


def packages_of(root: Path) -> set[str]:
    """The importable packages in the root of the repository."""
    return {path.parent.name for path in root.glob("*/__init__.py")} - NOT_SHIPPED


@pytest.mark.parametrize("package", sorted(packages_of(ROOT)))
def test_imports_point_one_way(package: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for line, name in against_the_rule(package, path.read_text(encoding="utf-8"))
    ]
    assert not wrong, "\n".join(wrong)


def test_every_package_has_its_place_in_the_rule() -> None:
    assert packages_of(ROOT) <= ALLOWED.keys()


@pytest.mark.parametrize(
    ("package", "source", "expected"),
    [
        pytest.param("world", "import simulator.types", [(1, "simulator")], id="upwards"),
        pytest.param("oracle", "from drain_model import x", [(1, "drain_model")], id="sideways"),
        pytest.param("drain_model", "import oracle as o", [(1, "oracle")], id="sideways-alias"),
        pytest.param(
            "simulator",
            "def f():\n    from oracle.replay import run",
            [(2, "oracle")],
            id="inside-a-function",
        ),
        pytest.param(
            "world",
            "import importlib\nimportlib.import_module('policies.neural')",
            [(2, "policies")],
            id="by-name",
        ),
        pytest.param("draingym", "import tests.helpers", [(1, "tests")], id="not-shipped"),
        pytest.param("policies", "import world, oracle, jax", [], id="downwards"),
        pytest.param("world", "from . import network\nfrom .simulator import x", [], id="relative"),
    ],
)
def test_the_check_itself(package: str, source: str, expected: list[tuple[int, str]]) -> None:
    assert against_the_rule(package, source) == expected


@pytest.mark.parametrize("package", ["world", "simulator", "drain_model", "policies", "draingym"])
def test_core_imports_nothing_heavy(package: str) -> None:
    program = f"import sys, {package}\nprint(*sorted({HEAVY!r} & sys.modules.keys()))"
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == []
