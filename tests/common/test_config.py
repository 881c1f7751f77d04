from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from draingym.common.arrays import require_range, require_seed, require_whole, short
from draingym.common.config import read_config, require_fields


@dataclass(frozen=True, kw_only=True, slots=True)
class Inner:
    width: int = 4

    def __post_init__(self) -> None:
        """Check the fields."""
        require_fields(self, "inner")
        require_whole("inner.width", self.width, low=1, high=8)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outer:
    name: str
    size: int = 1
    rate: float = 0.5
    flag: bool = False
    kind: Literal["a", "b"] = "a"
    steps: tuple[int, ...] = (1, 2)
    pair: tuple[int, str] = (1, "x")
    most: int | None = None
    either: int | str = 0
    inner: Inner = field(default_factory=Inner)
    maybe: Inner | None = None
    more: dict[str, Any] = field(default_factory=dict)
    path: Path = Path()
    day: date = date(2000, 1, 1)

    def __post_init__(self) -> None:
        """Check the fields."""
        require_fields(self)


def test_a_config_is_read_from_plain_values() -> None:
    values = {
        "name": "x",
        "rate": 1,
        "steps": [3],
        "pair": [2, "y"],
        "most": 7,
        "inner": {"width": 5},
        "maybe": {"width": 6},
        "more": {"any": [1]},
        "path": "runs",
        "day": "2000-11-01",
    }
    assert read_config(Outer, values) == Outer(
        name="x",
        rate=1,
        steps=(3,),
        pair=(2, "y"),
        most=7,
        inner=Inner(width=5),
        maybe=Inner(width=6),
        more={"any": [1]},
        path=Path("runs"),
        day=date(2000, 11, 1),
    )
    assert read_config(Outer, {"name": "x", "maybe": None}) == Outer(name="x")


BAD = [
    ({}, "config.name is missing, must be given"),
    ({"nam": 1}, "config.nam is no field, must be one of name, size"),
    ({"name": None}, "config.name is None, must be of type str"),
    ({"size": True}, "config.size is True, must be of type int"),
    ({"size": 2.0}, "config.size is 2.0, must be of type int"),
    ({"size": "2"}, "config.size is '2', must be of type int"),
    ({"size": 2**63}, "config.size is 9223372036854775808, must be in"),
    ({"rate": True}, "config.rate is True, must be of type float"),
    ({"rate": 10**309}, "config.rate is 1000000"),
    ({"rate": "1"}, "config.rate is '1', must be of type float"),
    ({"flag": 1}, "config.flag is 1, must be of type bool"),
    ({"kind": "c"}, "config.kind is 'c', must be one of a, b"),
    ({"kind": ["a"]}, r"config.kind is ['a'], must be one of a, b"),
    ({"steps": 3}, "config.steps is 3, must be a tuple, in JSON a list"),
    ({"steps": [1, 2.5]}, "config.steps[1] is 2.5, must be of type int"),
    ({"pair": [1]}, "config.pair has 1 entries, must have 2"),
    ({"pair": [1, "a", 2]}, "config.pair has 3 entries, must have 2"),
    ({"most": "7"}, "config.most is '7', must be of type int"),
    ({"either": 1.5}, "config.either is 1.5, must be of type int | str"),
    ({"inner": 3}, "config.inner is 3, must hold fields of Inner by name"),
    ({"inner": {"width": "5"}}, "config.inner.width is '5', must be of type int"),
    ({"inner": {"width": 9}}, "config.inner: inner.width is 9, must be in [1, 8]"),
    ({"maybe": {"widht": 5}}, "config.maybe.widht is no field, must be one of width"),
    ({"more": []}, "config.more is [], must be of type dict"),
    ({"path": 3}, "config.path is 3, must be of type Path"),
    ({"day": "2000-13-01"}, "config.day is '2000-13-01', must be of type date"),
]


@pytest.mark.parametrize(("values", "message"), BAD, ids=lambda x: str(x)[:30])
def test_what_a_file_gets_wrong_is_named(values: dict, message: str) -> None:
    given = values if not values or "name" in values else {"name": "x"} | values
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared as it is
        read_config(Outer, given)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("values", [None, [], "x", 3])
def test_what_is_no_mapping_is_refused(values: Any) -> None:
    with pytest.raises(ValueError, match=r"config is .*, must hold fields of Outer by name"):
        read_config(Outer, values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": True}, "size is True, must be of type int"),
        ({"steps": [1, 2]}, r"steps is \[1, 2\], must be a tuple"),
        ({"inner": {"width": 4}}, r"inner is \{'width': 4\}, must be of type Inner"),
        ({"path": "runs"}, "path is 'runs', must be of type Path"),
    ],
)
def test_python_is_checked_as_json_is(values: dict, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        Outer(name="x", **values)
    assert Outer(name="x", size=np.int64(3), rate=np.float32(1)).size == 3


@pytest.mark.parametrize(
    "value",
    [True, "1", None, [1.0], float("nan"), float("inf"), 10**400, -(10**400), 11, object],
    ids=lambda value: str(value)[:9],
)
def test_ranges_refuse_what_is_no_number_within(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^x is .*, must be (a number|finite and in \[0, 10\])"):
        require_range("x", value, low=0, high=10)


def test_ranges_take_numbers() -> None:
    for value in (0, 10, 2.5, np.float32(3), np.int64(4), np.array(5.0)):
        require_range("x", value, low=0, high=10)


@pytest.mark.parametrize("value", [True, 1.0, "1", None, -1, 2**32, 2**63, 10**40], ids=str)
def test_seeds_are_whole_numbers_of_32_bits(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^seed is .*, must be (in \[0, 4294967295|a whole)"):
        require_seed(value)
    require_seed(2**32 - 1)
    require_seed(np.uint32(7))


def test_a_shown_value_is_short_and_on_one_line() -> None:
    deep: list = []
    for _ in range(5000):
        deep = [deep]
    for value in (deep, "x\n" * 1000, {i: "y" * 500 for i in range(100)}, 10**4000, "a\nb"):
        assert len(short(value)) <= 120
        assert "\n" not in short(value)
    assert short((1, 2.5, "a")) == "(1, 2.5, 'a')"
