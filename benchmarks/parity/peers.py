"""Who maps which peer's cases."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.parity import hdpo, idinn, mabim, mdpax, orgym, small, stockpyl, supply
from benchmarks.parity.play import Case, Mapped

PEERS: dict[str, Callable[[Case], Mapped]] = {
    "decisionrl": small.decisionrl,
    "dynaplex": small.dynaplex,
    "gyminvmgmt": supply.gyminvmgmt,
    "hdpo": hdpo.mapped,
    "idinn": idinn.mapped,
    "mabim": mabim.mapped,
    "mdpax": mdpax.mapped,
    "orgym": orgym.mapped,
    "stockpyl": stockpyl.mapped,
}
