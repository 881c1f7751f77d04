"""One import name, imports that point one way, no circles, and a core without heavy packages."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("common", "world", "simulator", "drain_model", "oracle", "policies", "forecasters")

# Each package, and the packages of this repository that it may import.
PACKAGES: dict[str, set[str]] = {
    "common": set(),
    "world": {"common"},
    "forecasters": {"common", "world"},
    "simulator": {"common", "world"},
    "drain_model": {"common", "world", "simulator"},
    "oracle": {"common", "world", "simulator"},
    "policies": {"common", "world", "forecasters", "simulator", "drain_model", "oracle"},
}
PACKAGES["draingym"] = set(PACKAGES)

# The rooms of each package, and the rooms of the same package that each may import. What lies in
# the package's own folder may be imported by all of its rooms.
ROOMS: dict[str, dict[str, set[str]]] = {
    "simulator": {
        "scenarios": set(),
        "adapters": set(),
        "network": set(),
        "finite": {"network"},
        "problems": {"scenarios"},
    },
    "drain_model": {
        "data": set(),
        "distributions": set(),
        "network": {"data", "distributions"},
        "training": {"data", "distributions", "network"},
        "evaluation": {"data", "distributions", "network", "training"},
        "closest_node": {"data", "evaluation"},
    },
    "forecasters": {
        "data": set(),
        "training": {"data"},
        "results": {"data"},
        "monotone_transformer": {"data", "training"},
        "tft_mtl": {"data", "training"},
    },
    "oracle": {
        "rules": set(),
        "estimates": {"rules"},
        "fitting": {"rules", "estimates"},
        "fulfilment": {"rules", "estimates"},
        "replays": {"rules", "estimates", "fitting", "fulfilment"},
    },
    "policies": {
        "rules": set(),
        "networks": set(),
        "training": {"networks", "rules", "bounds"},
        "bounds": set(),
        "capacity": {"rules"},
        "forecasting": set(),
        "validation": {"rules", "networks"},
    },
    "draingym": {
        "report": set(),
        "demo": {"report"},
        "adapters": set(),
        "envs": {"demo", "report"},
        "networks": {"envs", "report"},
        "zoo": {"envs", "networks"},
        "ingest": {"demo", "report"},
        "commands": {"demo", "ingest", "report"},
        "cli": {"commands", "demo", "networks"},
    },
}
# Python that is no part of the distribution: packages must not import it.
NOT_SHIPPED = {"benchmarks", "conftest", "docs", "examples", "tests", "tools"}

# They come with extras, so that a core install imports without them.
HEAVY = {
    *("duckdb", "grain", "ibis", "jinja2", "lightgbm", "matplotlib", "narwhals", "numba", "pandas"),
    *("polars", "pyarrow", "pyspark", "statsmodels", "tensorboardX", "utilsforecast", "xarray"),
    "zarr",
}


@cache
def modules() -> dict[str, Path]:
    """Every module of the distribution by its full name."""
    found = {}
    for path in (ROOT / "draingym").rglob("*.py"):
        found[_name(path)] = path
    for folder in FOLDERS:  # behind a link, which `rglob` does not follow on every Python
        for path in (ROOT / folder).rglob("*.py"):
            found["draingym." + _name(path)] = path
    return found


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(source: str) -> set[tuple[int, str]]:
    """The modules that a module imports, anywhere in it, each with its line.

    What is imported from a package is a module of it where there is one of that name.
    """
    found: set[tuple[int, str]] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found |= {(node.lineno, alias.name) for alias in names}
            case ast.ImportFrom(module=str(module), level=0, names=names):
                inner = {f"{module}.{alias.name}" for alias in names} & modules().keys()
                found |= {(node.lineno, name) for name in inner or {module}}
            case ast.Call(
                func=ast.Name(id="__import__" | "import_module")
                | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(module)), *_],
            ):
                found.add((node.lineno, module))
    return found


def place_of(module: str) -> tuple[str, str]:
    """The package and the room of a module, such as ``("policies", "rules")``; "" for no room."""
    parts = module.split(".")
    if len(parts) > 1 and parts[1] in PACKAGES:
        parts = parts[1:]
    inner = parts[1:] if modules().get(module, Path()).name == "__init__.py" else parts[1:-1]
    return parts[0], inner[0] if inner else ""


def against_the_rule(module: str, source: str) -> list[tuple[int, str]]:
    """The imports of a module that the rules of packages and rooms forbid."""
    package, room = place_of(module)
    wrong = []
    for line, name in imports_of(source):
        top = name.partition(".")[0]
        if top in FOLDERS or top in NOT_SHIPPED:
            wrong.append((line, name))
        elif top == "draingym":
            there, other = place_of(name)
            if there != package:
                allowed = there in PACKAGES[package]
            else:
                allowed = other in {"", room} or other in ROOMS[package].get(room, {other})
            if not allowed:
                wrong.append((line, name))
    return sorted(wrong)


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_imports_point_one_way(package: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for module, path in sorted(modules().items())
        if place_of(module)[0] == package
        for line, name in against_the_rule(module, path.read_text(encoding="utf-8"))
    ]
    assert not wrong, "\n".join(wrong)


def test_every_package_and_room_has_its_place_in_the_rules() -> None:
    links = {path.name for path in (ROOT / "draingym").iterdir() if path.is_symlink()}
    assert links == set(FOLDERS)
    assert {place_of(module)[0] for module in modules()} <= PACKAGES.keys()
    rooms = {place_of(module) for module in modules()}
    assert {(p, r) for p, r in rooms if r and p != "world"} == {
        (package, room) for package, inner in ROOMS.items() for room in inner
    }


def circles(edges: dict[str, set[str]]) -> Iterator[list[str]]:
    """The shortest circle through every module that is in one."""
    for start in edges:
        paths, seen = [[start]], {start}
        while paths:
            path = paths.pop(0)
            for other in sorted(edges.get(path[-1], ())):
                if other == start:
                    yield path
                    paths = []
                    break
                if other not in seen:
                    seen.add(other)
                    paths.append([*path, other])


def test_no_module_imports_itself_in_a_circle() -> None:
    edges = {}
    for module, path in modules().items():
        if path.name != "__init__.py":  # a package's own imports are its exports
            names = {name for _, name in imports_of(path.read_text(encoding="utf-8"))}
            edges[module] = {n for n in names & modules().keys() if n != module}
    found = {" -> ".join(sorted(path)) for path in circles(edges)}
    assert not found, "\n".join(sorted(found))


def test_circles_are_found() -> None:
    assert list(circles({"a": {"b"}, "b": {"c"}, "c": {"b"}})) == [["b", "c"], ["c", "b"]]


# What they read can run code.
UNSAFE = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}


def test_nothing_reads_or_writes_what_can_run_code() -> None:
    wrong = []
    for module, path in sorted(modules().items()):
        source = path.read_text(encoding="utf-8")
        found = {name.partition(".")[0] for _, name in imports_of(source)} & UNSAFE
        wrong += [f"{module} uses {name}" for name in sorted(found)]
        if re.search(r"allow_pickle\s*=\s*True", source):
            wrong.append(f"{module} allows pickle")
    assert not wrong, "\n".join(wrong)


BARE = re.compile(rf"^\s*(?:>>> |\.\.\. )?(?:from|import) ({'|'.join(FOLDERS)})\b", re.MULTILINE)


def test_nothing_is_imported_by_the_bare_name_of_a_folder() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "*.py", "*.md", "*.ipynb", "*.toml", "*.j2"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if tracked.returncode:
        pytest.skip("no git checkout")
    wrong = [
        f"{name}: {match.group(0).strip()}"
        for name in tracked.stdout.split()
        if (ROOT / name).is_file()
        for match in BARE.finditer((ROOT / name).read_text(encoding="utf-8"))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("module", "source", "expected"),
    [
        pytest.param(
            "draingym.world.network",
            "import draingym.simulator.types",
            [(1, "draingym.simulator.types")],
            id="upwards",
        ),
        pytest.param(
            "draingym.oracle.systems",
            "from draingym.drain_model import x",
            [(1, "draingym.drain_model")],
            id="sideways",
        ),
        pytest.param(
            "draingym.drain_model.kernel",
            "import draingym.oracle as o",
            [(1, "draingym.oracle")],
            id="sideways-alias",
        ),
        pytest.param(
            "draingym.simulator.core",
            "def f():\n    from draingym.oracle.systems import Systems",
            [(2, "draingym.oracle.systems")],
            id="inside-a-function",
        ),
        pytest.param(
            "draingym.world.network",
            "import importlib\nimportlib.import_module('draingym.policies.tree')",
            [(2, "draingym.policies.tree")],
            id="by-name",
        ),
        pytest.param(
            "draingym.policies.rules.base_stock",
            "from draingym.policies.training.tune import tune",
            [(1, "draingym.policies.training.tune")],
            id="another-room",
        ),
        pytest.param("draingym.cli", "import tests.helpers", [(1, "tests.helpers")], id="tests"),
        pytest.param("draingym.cli", "import simulator", [(1, "simulator")], id="bare-name"),
        pytest.param(
            "draingym.policies.training.tune",
            "from draingym import world, oracle\nimport jax, draingym.policies.networks.mlp",
            [],
            id="downwards",
        ),
    ],
)
def test_the_check_itself(module: str, source: str, expected: list[tuple[int, str]]) -> None:
    assert against_the_rule(module, source) == expected


def test_lazy_names_are_the_same_wherever_they_are_listed() -> None:
    checked = 0
    for module, path in modules().items():
        source = path.read_text(encoding="utf-8")
        if path.name != "__init__.py" or "lazy_names" not in source:
            continue
        tree = ast.parse(source)
        seen = {
            (node.module, alias.name)
            for block in tree.body
            if isinstance(block, ast.If)
            for node in block.body
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        package = import_module(module)
        assert {name for _, name in seen} == set(package.__all__), module
        if module == "draingym":  # its names come from packages whose names are lazy, too
            continue
        mapping = next(node for node in ast.walk(tree) if isinstance(node, ast.Dict))
        lazy = {
            (where, name) for where, names in ast.literal_eval(mapping).items() for name in names
        }
        assert lazy == seen, module
        checked += 1
    assert checked == 2


# Names of policies that replay in the oracle, whose engines need an extra.
REPLAYING = {
    *("FineTuneConfig", "FineTuned", "fine_tune", "label"),
    *("Thresholds", "Validation", "Verdict", "judge", "validate"),
}


def test_core_imports_nothing_heavy() -> None:
    # One process for all: the lightest first, and after each what all of its names have loaded.
    program = f"""
import sys
import draingym.world, draingym.world.synthetic, draingym.world.ta_feng, draingym.common.atomic
print("world", *sorted({HEAVY | {"jax"}!r} & sys.modules.keys()))
from importlib import import_module
for name in ("simulator", "drain_model", "forecasters", "policies"):
    package = import_module("draingym." + name)
    for public in package.__all__:
        if public not in {REPLAYING!r}:
            getattr(package, public)
    print(name, *sorted({HEAVY!r} & sys.modules.keys()))
"""
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["world", "simulator", "drain_model", "forecasters", "policies"]
