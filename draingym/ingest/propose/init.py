"""A mapping proposed for a folder of tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from draingym.ingest.given.mapping import Carrier
from draingym.ingest.propose.adapters import known
from draingym.ingest.propose.found import Found, find_tables
from draingym.ingest.propose.guess import Guess, guess_tables
from draingym.ingest.propose.text import Block, Proposal, mapping_text


def propose(path: Path) -> str:
    """Return the text of a mapping for the tables of a folder, or for one file.

    Args:
        path: A folder of CSV, Parquet and DuckDB files, or one such file.

    Raises:
        ValueError: If nothing is there that we read, or no table can be one of orders; naming the
            file, where one cannot be read.
    """
    folder, found = find_tables(Path(path))
    name = folder.as_posix()
    proposal = known(found, name)
    if proposal is None:
        proposal = _guessed(Path(path), name, found)
    return mapping_text(proposal)


def _guessed(path: Path, folder: str, found: Sequence[Found]) -> Proposal:
    guesses, rest = guess_tables(list(found))
    by_name = {guess.name: guess for guess in guesses}
    if "orders" not in by_name:
        seen = "; ".join(f"{f.file}: {', '.join(f.columns[:12])}" for f in found[:5])
        raise ValueError(
            f"{path} holds no table of orders, must hold one with columns for product, time and "
            f"quantity ({seen})"
        )
    told = [by_name[name] for name in ("orders", "boxes") if name in by_name]
    ships = any("node" in g.columns or (g.name == "boxes" and g.doubt) for g in told)
    blocks = [_block(guess) for guess in guesses]
    for needed, columns in (
        ("nodes", ("node", "latitude", "longitude", "parent", "lead_days")),
        ("places", ("place", "latitude", "longitude", "population", "region")),
    ):
        if needed not in by_name:
            blocks.append(Block(name=needed, columns={column: column for column in columns}))
    return Proposal(
        source=(path.stem if path.is_file() else path.resolve().name) or "own data",
        folder=folder,
        build="log" if ships else "world",
        blocks=blocks,
        carrier=_carrier(by_name["orders"]),
        unused=rest,
    )


def _block(guess: Guess) -> Block:
    return Block(
        name=guess.name,
        found=guess.found,
        columns=guess.columns,
        keep=guess.rest if guess.name in ("products", "nodes") and not guess.doubt else (),
    )


def _carrier(orders: Guess) -> Carrier:
    """Return a card of rates in proportion to what a unit costs: a box for a quarter of it."""
    column = orders.columns.get("unit_price") or orders.columns.get("line_total")
    prices = []
    for cell in orders.found.cells(column) if column else ():
        try:
            prices.append(float(cell.replace(",", ".")))
        except ValueError:
            continue
    prices = [price for price in prices if price > 0.0]
    if not prices:
        return Carrier()
    box = float(f"{0.25 * median(prices):.2g}")
    return Carrier(
        box=box,
        weight=float(f"{0.12 * box:.2g}"),
        zone=float(f"{0.15 * box:.2g}"),
        weight_zone=float(f"{0.03 * box:.2g}"),
        opportunity_cost=float(f"{0.6 * box:.2g}"),
    )
