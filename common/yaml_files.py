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
        ValueError: If it cannot be read, is no YAML, or has a key twice, naming it.
    """
    yaml = _yaml()
    with reading(what, path, "a whole YAML file of plain values"):
        try:
            text = Path(path).read_text(encoding="utf-8")
            _require_keys_once(yaml.compose(text, Loader=yaml.SafeLoader))
            return yaml.safe_load(text)
        except yaml.MarkedYAMLError as error:  # its own words are a drawing of several lines
            mark = error.problem_mark
            raise ValueError(
                f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
            ) from error
        except yaml.YAMLError as error:
            raise ValueError(" ".join(str(error).split())) from error


def _require_keys_once(root: Any) -> None:
    """Raise where a mapping has a key twice: the loader would take the last one, silently."""
    todo, done = [root], set()
    while todo:
        node = todo.pop()
        if id(node) in done or not isinstance(getattr(node, "value", None), list):
            continue
        done.add(id(node))  # an anchor may be used many times, and inside of itself
        if node.id == "sequence":
            todo += node.value
            continue
        seen = set()
        for key, value in node.value:
            todo.append(value)
            if isinstance(key.value, str) and key.value in seen:
                raise ValueError(
                    f"line {key.start_mark.line + 1}: {key.value} is there twice, must be once"
                )
            seen.add(key.value if isinstance(key.value, str) else id(key))


def _yaml() -> Any:
    try:
        import yaml
    except ImportError as error:
        raise ImportError("YAML files need PyYAML: pip install 'draingym[yaml]'") from error
    return yaml
