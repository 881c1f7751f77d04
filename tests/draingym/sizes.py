"""Sizes of the environments but the zoo's at which compiling and stepping take a second."""

import inspect
import pkgutil

from draingym.registration import CORE, ENVIRONMENTS, IDS

# Those of a network of the United States.
US = {"horizon": 8, "num_nodes": 2, "num_regions": 6, "units_per_period": 4.0}


def small(name):
    """The options of a problem that make it small."""
    options = inspect.signature(pkgutil.resolve_name(ENVIRONMENTS[name].make)).parameters
    if "product" in options:  # those of ``Product``
        return US
    return {key: size for key, size in {"horizon": 8, "num_stores": 2}.items() if key in options}


SMALL = {IDS[name]: small(name) for name in CORE}
