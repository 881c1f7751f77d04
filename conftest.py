"""What holds in every test: strict JAX, repeatable Hypothesis, and no files left behind.

The filter that turns warnings into errors is in pyproject.toml.
"""

import gc
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).parent

# JAX reads these when it is imported, which nothing has done yet. `make` sets the same cache; a
# bare `pytest`, and every process that a test starts, gets it here.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
os.environ.setdefault("MPLBACKEND", "Agg")
# Most of the time of the tests is compiling programs that run for milliseconds: LLVM may be quick.
# The benchmarks and `make test-slow` run what users run.
_QUICK = (
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true "
    "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
)
if os.environ.get("QUICK_COMPILES") == "yes":
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_QUICK}".strip()

# What tools make in the root by themselves, besides environments; git ignores all of it.
_MADE_BY_TOOLS = frozenset(
    {".cache", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache", "__pycache__"}
)

# A first example that compiles is slow, and that says nothing about the strategy it came from.
_COMMON = hypothesis.settings(
    deadline=None,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
# On CI the same examples every time; at home new ones, and failures are remembered.
hypothesis.settings.register_profile("ci", _COMMON, derandomize=True, database=None)
hypothesis.settings.register_profile("home", _COMMON)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "home")


# Doctests are looked for in every module: these load a library that only `make test-clients` has.
collect_ignore = [
    f"draingym/adapters/{module}.py"
    for module, library in {
        "parallel": "pettingzoo",
        "stable_baselines3": "stable_baselines3",
    }.items()
    if find_spec(library) is None
]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that are off by default."""
    parser.addoption(
        "--debug-nans",
        action="store_true",
        help="raise where a NaN first appears (slow: JAX runs jitted functions again, op by op)",
    )
    parser.addoption(
        "--clients",
        action="store_true",
        help="run the tests marked clients: they fail where the clients are not installed",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the tests of others' packages, which are not in the lock, to `make test-clients`.

    What is marked long is slow as well.
    """
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.slow)
    if not config.getoption("--clients"):
        for item in items:
            if item.get_closest_marker("clients"):
                item.add_marker(pytest.mark.skip(reason="make test-clients runs it"))


def pytest_configure(config: pytest.Config) -> None:
    """Make JAX refuse what is legal but seldom meant."""
    import jax

    # Arrays of different rank must be lined up by hand: [P, N] + [N] raises.
    jax.config.update("jax_numpy_rank_promotion", "raise")
    # Keys are typed: jax.random.key, not PRNGKey.
    jax.config.update("jax_legacy_prng_key", "error")
    jax.config.update("jax_debug_nans", config.getoption("--debug-nans"))
    # Tracing makes many objects that live shortly; the collector would take a tenth of the time.
    gc.set_threshold(100_000, 50, 100)


@pytest.fixture(scope="module", autouse=True)
def unread_tasks_are_gone(request: pytest.FixtureRequest) -> Iterator[None]:
    """Drop what Zarr leaves of arrays that are missing, before other modules run.

    Python 3.11 takes the exceptions of such tasks, where they are collected while it parses, for a
    fault of its parser.
    """
    yield
    if any(word in request.module.__name__ for word in ("damaged", "odd", "panel", "stream")):
        gc.collect()


# Linux gives a process 65,530 mappings of memory. Each compiled program takes some of them, and
# where there are none left the next compilation kills the process.
_MANY_MAPPINGS = 20_000


@pytest.fixture(scope="module", autouse=True)
def compiled_programs_do_not_pile_up() -> Iterator[None]:
    """Drop what was compiled, once there is much of it."""
    yield
    mappings = Path("/proc/self/maps")
    if mappings.exists() and mappings.read_bytes().count(b"\n") > _MANY_MAPPINGS:
        import jax

        jax.clear_caches()


def left_behind(before: set[str], after: set[str]) -> list[str]:
    """Return the names of what is new in the root, and was not made by a tool."""
    new = after - before - _MADE_BY_TOOLS
    return sorted(name for name in new if not name.startswith(".venv"))


@pytest.fixture(autouse=True)
def _root_stays_clean() -> Iterator[None]:
    """Fail a test that leaves a file or folder in the root of the repository."""
    before = set(os.listdir(ROOT))
    yield
    left = left_behind(before, set(os.listdir(ROOT)))
    if left:
        pytest.fail(
            f"left in {ROOT}: {', '.join(left)}; write to tmp_path instead "
            "(with several workers it may be a test that ran at the same time)"
        )
