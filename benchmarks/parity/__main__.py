"""Play every case of a folder, and say how much of it is reproduced.

python -m benchmarks.parity FOLDER [--double] [--json FILE]
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import jax
import tyro

TOLERANCE = {"float32": 1e-4, "float64": 1e-9}


def rows_of(folder: Path) -> list[dict[str, Any]]:
    """Return a row for every file of a folder, at the precision that JAX has now."""
    from benchmarks.parity.compare import GIVEN, Compared, compare
    from benchmarks.parity.peers import PEERS
    from benchmarks.parity.play import CannotMapError, play
    from benchmarks.parity.reading import require_all_read, watched
    from draingym.common.files import read_json

    precision = str(jax.dtypes.canonicalize_dtype(float))
    rows = []
    for path in sorted(folder.glob("*.json")):
        found, note, name = Compared(), "", {"peer": path.stem, "problem": "", "case": ""}
        try:
            case = watched(read_json(path, "case"))
            name = {key: case[key] for key in name}
            map_case = PEERS.get(case["peer"].lower())
            if map_case is None:
                raise CannotMapError(f"peer is {case['peer']}, must be one of {', '.join(PEERS)}")
            mapped = map_case(case)
            ours = play(mapped)
            require_all_read(case)
            theirs = [
                {name: value for name, value in period.items() if name not in GIVEN}
                for period in case["periods"]
            ]
            compare(theirs, ours, TOLERANCE[precision], "period", found)
            compare(case["totals"], mapped.totals(ours), TOLERANCE[precision], "totals", found)
            note = found.first
        except KeyError as error:
            note = f"refused: {error} is not there"
        except (AttributeError, IndexError, TypeError, ValueError) as error:
            note = f"refused: {error}"
        rows.append(
            name
            | {
                "precision": precision,
                "numbers": found.numbers,
                "reproduced": found.share,
                "largest difference": found.largest,
                "note": note,
            }
        )
    return rows


def main(
    folder: Annotated[Path, tyro.conf.Positional],
    double: bool = False,
    output: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
) -> None:
    """Play every case of a folder.

    Args:
        folder: Of the files.
        double: In float64, to 1e-9; in float32, to 1e-4, when not given.
        output: File for the rows.
    """
    if double:
        jax.config.update("jax_enable_x64", True)
    from benchmarks._common import print_table

    rows = rows_of(folder)
    if not rows:
        raise SystemExit(f"folder {folder} has no .json file, must have at least one")
    print_table("Trajectories of other simulators, reproduced", rows)
    whole = sum(row["reproduced"] == 1.0 for row in rows)
    numbers = sum(row["numbers"] for row in rows)
    same = sum(row["numbers"] * row["reproduced"] for row in rows)
    print(
        f"{whole} of {len(rows)} cases reproduced in full; "
        f"{same / max(numbers, 1):.4%} of {numbers:,} numbers"
    )
    if output is not None:
        output.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    tyro.cli(main)
