import subprocess
import sys

import world


def test_names_are_exported() -> None:
    assert world.__all__ == sorted(world.__all__, key=lambda n: (not n.isupper(), n.islower(), n))
    assert all(hasattr(world, name) for name in world.__all__)


def test_the_package_needs_only_numpy_and_scipy() -> None:
    heavy = ["pyarrow", "ibis", "duckdb", "xarray", "zarr", "pandas", "jax", "numba"]
    code = (
        "import sys, world, world.synthetic, world.ta_feng, world.atomic;"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
