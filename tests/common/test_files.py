import re
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from draingym.common.files import kind_at, read_json, reading, write_json


def test_plain_values_come_back(tmp_path: Path) -> None:
    value = {"n": np.int64(3), "x": np.float32(0.5), "a": np.arange(2), "p": Path("runs/é")}
    write_json(tmp_path / "x.json", value | {"d": date(2000, 11, 1)})
    expected = {"n": 3, "x": 0.5, "a": [0, 1], "p": "runs/é", "d": "2000-11-01"}
    assert read_json(tmp_path / "x.json") == expected
    with pytest.raises(TypeError, match="object is not JSON"):
        write_json(tmp_path / "x.json", {"a": object()})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"a": float("nan")})
    assert read_json(tmp_path / "x.json") == expected


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (None, "No such file or directory"),
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b"[" * 100_000, "(recursion|Stack overflow)"),
        (b'{"a":' * 100_000, "(recursion|Stack overflow)"),
        (b"\xff\xfe", "can't decode"),
        (b"1" * 5000, "integer string conversion"),
        (b'{"a": {"b": 1, "c": 2, "b": 3}}', "b is there twice, must be once"),
    ],
    ids=["missing", "empty", "half", "deep list", "deep mapping", "bytes", "number", "twice"],
)
def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, raw: bytes | None, reason: str
) -> None:
    if raw is not None:
        (tmp_path / "x.json").write_bytes(raw)
    message = (
        rf"config .*x\.json cannot be read \(.*{reason}.*\), must be a whole JSON file; mend it"
    )
    with pytest.raises(ValueError, match=message):
        read_json(tmp_path / "x.json", "config", remedy="mend it")


def test_what_is_at_a_path_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert kind_at(tmp_path) == "folder"
    assert kind_at(tmp_path / "x.json") == "file"
    assert kind_at(tmp_path / "nothing") is None
    assert kind_at(tmp_path / "x.json" / "inside") is None
    for name, reason in (
        ("y" * 300, "File name too long"),
        ("y/" * 3000 + "y", "File name too long"),
        ("loop", "Too many levels of symbolic links"),
        ("nul\0", "(stat: )?embedded null (byte|character in path)"),  # Python 3.11 and 3.13
    ):
        path = re.escape(str(tmp_path / name))
        message = rf"log {path} cannot be read \({reason}\), must be a path that the system can"
        with pytest.raises(ValueError, match=message):
            kind_at(tmp_path / name, "log")


def test_an_error_without_words_is_named_by_its_type() -> None:
    message = r"^panel x cannot be read \(EOFError\), must be a panel in Zarr$"
    with pytest.raises(ValueError, match=message), reading("panel", "x", "a panel in Zarr"):
        raise EOFError


def test_a_folder_is_no_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot be read \(Is a directory\)"):
        read_json(tmp_path)
