"""The pages of the reference: every public name, with its docstring and where it is used.

What is public is read from the code, without importing it: ``__all__`` of a package, and of the
modules in ``MODULES``, which are imported as such, what has no underscore.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path

from tools.pages.links import ROOT, outside_fences

PACKAGES = (
    "draingym",
    "draingym.simulator",
    "draingym.policies",
    "draingym.drain_model",
    "draingym.oracle",
    "draingym.forecasters",
    "draingym.world",
    "draingym.adapters",
)
# Modules whose names are no package's: they load what comes with an extra, or few need them.
MODULES = (
    "draingym.envs.fitted_price",
    "draingym.networks.policy",
    "draingym.oracle.protocols",
    "draingym.policies.bounds.decisions",
    "draingym.policies.bounds.one_node",
    "draingym.policies.bounds.optimal",
    "draingym.policies.bounds.perishables",
    "draingym.world.calendar",
    "draingym.world.engines",
    "draingym.world.eventlog",
    "draingym.world.ground",
    "draingym.world.log_folder",
    "draingym.world.panel",
    "draingym.zoo.exact",
    "draingym.zoo.table",
)
_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
_DOCTEST = re.compile(r"^([ \t]*)>>> .*(?:\n(?!\s*\n|\s*$).*)*", re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Name:
    """A public name."""

    package: str  # that a user imports it from
    name: str
    module: str  # that defines it

    @property
    def path(self) -> str:
        """What mkdocstrings knows it by."""
        return f"{self.package}.{self.name}"


def file_of(module: str) -> Path:
    """Return the file of a module or package."""
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def tree(module: str) -> ast.Module:
    """Return a module as it is written."""
    return ast.parse(file_of(module).read_text(encoding="utf-8"))


def docstring(module: str) -> str:
    """Return a module's docstring."""
    return ast.get_docstring(tree(module)) or ""


def _imports(module: str) -> dict[str, str]:
    """Return the module that each imported name of ours comes from."""
    return {
        alias.asname or alias.name: node.module
        for node in ast.walk(tree(module))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("draingym.")
        for alias in node.names
    }


def _defined(module: str) -> dict[str, ast.AST]:
    """Return what a module defines at its top, by name."""
    found: dict[str, ast.AST] = {}
    for node in tree(module).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = node
    return found


def _origin(name: str, module: str) -> str:
    """Return the module that defines a name, through packages that only hand it on."""
    while name in (found := _imports(module)):
        module = found[name]
    return module


def offered(module: str) -> list[str]:
    """Return the names that a module offers: ``__all__``, or those without an underscore."""
    defined = _defined(module)
    if "__all__" in defined:
        names: list[str] = ast.literal_eval(defined["__all__"].value)  # type: ignore[attr-defined]
        return names
    return [name for name in defined if not name.startswith("_")]


@cache
def public_names() -> tuple[Name, ...]:
    """Return every public name once: where a user finds it first, below ``draingym`` last."""
    found: dict[tuple[str, str], Name] = {}
    for package in (*PACKAGES[1:], *MODULES, PACKAGES[0]):
        for name in offered(package):
            module = _origin(name, package)
            found.setdefault((module, name), Name(package=package, name=name, module=module))
    return tuple(found.values())


def room_of(name: Name) -> str:
    """Return the page that a name is on, below ``reference/``."""
    if name.package == PACKAGES[0]:
        return "draingym.md"
    first, *rest = name.package.split(".")[1:]
    if name.package in MODULES:
        return f"{first}/{rest[-1]}.md"
    inner = name.module.removeprefix(name.package).strip(".").split(".")
    return f"{first}/{inner[0]}.md" if len(inner) > 1 else f"{first}/index.md"


def first_sentence(name: Name) -> str:
    """Return the first line of a name's docstring; of a constant, nothing."""
    node = _defined(name.module).get(name.name)
    words = ""
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        words = (ast.get_docstring(node) or "").partition("\n")[0]
    return words.replace("|", "\\|").replace("``", "`")


def has_doctest(name: Name) -> bool:
    """Return whether a name's docstring, or that of a method, shows an example."""
    node = _defined(name.module).get(name.name)
    return node is not None and ">>>" in ast.unparse(node)


def used_names(code: str) -> set[str]:
    """Return the public names, as ``Name.path``, that a program uses."""
    program = ast.parse(code)
    known = {each.path: each.path for each in public_names()}
    by_origin = {(each.module, each.name): each.path for each in public_names()}
    modules: dict[str, str] = {}
    used: set[str] = set()

    def resolve(package: str, name: str) -> None:
        path = f"{package}.{name}"
        if path in known:
            used.add(path)
        elif file_of(package).exists():
            origin = (_origin(name, package), name)
            if origin in by_origin:
                used.add(by_origin[origin])

    for node in ast.walk(program):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("draingym"):
            for alias in node.names:
                resolve(str(node.module), alias.name)
                modules[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("draingym"):
                    modules[alias.asname or "draingym"] = alias.name if alias.asname else "draingym"
    for node in ast.walk(program):
        if isinstance(node, ast.Attribute):
            words = ast.unparse(node).split(".")
            if words[0] in modules:
                path = ".".join((modules[words[0]], *words[1:]))
                package, _, name = path.rpartition(".")
                if file_of(package).exists():
                    resolve(package, name)
    return used


@cache
def examples() -> Mapping[str, tuple[tuple[str, str], ...]]:
    """Return the pages that use a name in what is run by the tests: title and file, by its path."""
    found: dict[str, dict[str, str]] = {}
    for title, page, code in programs():
        for path in used_names(code):
            found.setdefault(path, {})[page] = title
    return {
        path: tuple((title, page) for page, title in pages.items()) for path, pages in found.items()
    }


def programs() -> Iterator[tuple[str, str, str]]:
    """Yield title, page in the repository and code of what the tests run."""
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = page.read_text(encoding="utf-8")
        title = text.partition("\n")[0].lstrip("# ")
        code = "\n".join(_BLOCK.findall(text))
        yield "The front page" if page.name == "README.md" else title, _name(page), code
    for path in sorted((ROOT / "examples" / "notebooks").glob("*.ipynb")):
        held = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = "".join("".join(c["source"]) + "\n" for c in held if c["cell_type"] == "code")
        yield path.name, _name(path), code
    for path in sorted((ROOT / "examples").glob("*.py")):
        yield path.name, _name(path), path.read_text(encoding="utf-8")


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def pages() -> dict[str, str]:
    """Return the pages of the reference by their names, without the examples' links resolved."""
    made: dict[str, list[Name]] = {}
    for name in public_names():
        made.setdefault(room_of(name), []).append(name)
    for package in PACKAGES[1:]:
        made.setdefault(f"{package.split('.')[1]}/index.md", [])
    found = {room: _room(room, names) for room, names in made.items()}
    found["index.md"] = _front()
    return {f"reference/{name}": text for name, text in sorted(found.items())}


def module_of(room: str) -> str:
    """Return the module or package that a page is about."""
    stem = room.removesuffix(".md").removesuffix("/index").replace("/", ".")
    if stem == "draingym":
        return stem
    for module in MODULES:
        if room == room_of(Name(package=module, name="", module=module)):
            return module
    return f"draingym.{stem}"


def _room(room: str, names: Iterable[Name]) -> str:
    module = module_of(room)
    parts = [f"# `{module}`\n\n{_plain(docstring(module))}\n"]
    if room.endswith("index.md"):
        parts.append(_table(n for n in public_names() if room_of(n).startswith(room[:-8])))
    ordered = sorted(names, key=lambda name: name.module)
    for _, group in groupby(ordered, key=lambda name: name.module):
        for name in group:
            parts.append(f"::: {name.path}\n{_used(name, room)}")
    return "\n".join(parts)


def _used(name: Name, room: str) -> str:
    """Return a line of links to the examples that use a name."""
    found = examples().get(name.path, ())
    root = "../" * (room.count("/") + 2)  # from docs/reference
    links = ", ".join(f"[{title}]({root}{page})" for title, page in found)
    return f"\n*Used in:* {links}\n" if found else ""


def _front() -> str:
    """Return the page of what ``import draingym`` offers, and of the packages."""
    names = offered(PACKAGES[0])
    by_origin = {(each.module, each.name): each for each in public_names()}
    front = (by_origin[_origin(name, "draingym"), name] for name in names)
    rows = "".join(
        f"| [`draingym.{package.split('.')[1]}`]({package.split('.')[1]}/index.md) | "
        f"{_plain(docstring(package)).partition(chr(10) * 2)[0]} |\n".replace("\n", " ").strip()
        + "\n"
        for package in PACKAGES[1:]
    )
    return (
        "# Reference\n\nWhat `import draingym as dg` offers. The packages below hold the rest; "
        f"each name says where examples use it, and the tests run those.\n\n{_table(front)}\n"
        f"## Packages\n\n| package | what is in it |\n| --- | --- |\n{rows}"
    )


def _table(names: Iterable[Name]) -> str:
    rows = "".join(
        f"| [`{name.name}`][{name.path}] | {first_sentence(name)} |\n"
        for name in sorted(names, key=lambda name: name.name.lower())
    )
    return f"| name | what it is |\n| --- | --- |\n{rows}"


def _plain(words: str) -> str:
    return words.replace("``", "`")


def navigation() -> list[object]:
    """Return the pages as MkDocs nests them: a package, and its rooms."""
    made = [name.removeprefix("reference/") for name in pages()]
    nav: list[object] = ["reference/index.md", {"draingym": "reference/draingym.md"}]
    for package in PACKAGES[1:]:
        first = package.split(".")[1]
        rooms = [
            name for name in made if name.startswith(f"{first}/") and name != f"{first}/index.md"
        ]
        nav.append(
            {
                first: [
                    f"reference/{first}/index.md",
                    *({Path(room).stem: f"reference/{room}"} for room in rooms),
                ]
            }
        )
    rest = [
        n
        for n in made
        if "/" in n and not any(n.startswith(p.split(".")[1] + "/") for p in PACKAGES[1:])
    ]
    nav += [{Path(room).stem: f"reference/{room}"} for room in rest]
    return nav


_NAMED = re.compile(r"\[`(\w+)`\]\([./]*([\w/]+)\.py\)")


def referred(text: str) -> str:
    """Return a page whose links from a public name to its file lead to the name's reference."""
    known = {(each.module, each.name): each.path for each in public_names()}

    def one(match: re.Match[str]) -> str:
        path = known.get((f"draingym.{match[2].replace('/', '.')}", match[1]))
        return match[0] if path is None else f"[`{match[1]}`][{path}]"

    return outside_fences(text, _NAMED, one)


def fenced(words: str) -> str:
    """Return a docstring whose doctests are blocks of code."""

    def fence(match: re.Match[str]) -> str:
        return f"{match[1]}```pycon\n{match[0]}\n{match[1]}```"

    return _DOCTEST.sub(fence, words)
