"""Plain values as YAML files, by PyYAML (extra ``yaml``) and its safe loader alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from draingym.common.atomic import atomic_file
from draingym.common.files import json_text, reading


def write_yaml(path: Path, value: Any) -> None:
    """Write plain values as YAML; a file that is there is replaced as a whole.

    Raises:
        ImportError: If PyYAML is not there.
        ValueError: If the file cannot be written, or a number is not finite.
    """
    yaml = _yaml()
    try:  # by way of JSON, so that both kinds of files hold the same
        plain = json.loads(json_text(value, allow_nan=False))
    except ValueError as error:
        raise ValueError(f"{path}: {error}, must hold finite numbers alone") from error
    with atomic_file(path) as fresh:
        fresh.write_text(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True), "utf-8")


def read_yaml(path: Path, what: str = "file") -> Any:
    """Read a YAML file.

    Args:
        path: The file.
        what: What it is called in errors.

    Raises:
        ImportError: If PyYAML is not there.
        ValueError: If it cannot be read, is no YAML, or gives a name twice; naming it.
    """
    yaml = _yaml()
    with reading(what, path, "a whole YAML file of plain values"):
        try:
            text = Path(path).read_text(encoding="utf-8")
            return yaml.load(text, Loader=_loader(yaml))
        except yaml.MarkedYAMLError as error:  # its own words are a drawing of several lines
            mark = error.problem_mark
            raise ValueError(
                f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
            ) from error
        except yaml.YAMLError as error:
            raise ValueError(" ".join(str(error).split())) from error


def _loader(yaml: Any) -> Any:
    """Return PyYAML's safe loader; the last of two values of a name does not win."""

    class EachOnce(yaml.SafeLoader):  # type: ignore[misc]
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            known: list[Any] = []
            for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
                name = (key.tag, key.value)
                if name in known:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"{key.value!r} is given twice", key.start_mark
                    )
                known.append(name)
            return super().construct_mapping(node, deep=deep)

    return EachOnce


def _yaml() -> Any:
    try:
        import yaml
    except ImportError as error:
        raise ImportError("YAML files need PyYAML: pip install 'draingym[yaml]'") from error
    return yaml
