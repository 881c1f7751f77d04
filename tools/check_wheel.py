"""Build the wheel from the sdist and use it as a stranger would: ``make check-wheel``.

Both hold each file of the package once. Installed without extras, the wheel runs the README's first
example, an environment and the command line in a folder whose own modules bear our folders' names.
``twine`` reads both as the index would, the README too. ``--out FOLDER`` keeps them, and
``--tag v1.2.3`` refuses a version, or a changelog, that is not of that tag.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
VENV = ROOT / ".venv-wheel"
# What a user may well have beside a script, and what is at the top of our repository.
OWN = ("common", "drain_model", "forecasters", "oracle", "policies", "simulator", "world")

ENVIRONMENT = """
import gymnasium

env = gymnasium.make("draingym:draingym/SingleStore-v0")
env.reset(seed=0)
observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
assert env.observation_space.contains(observation), observation
assert gymnasium.make("draingym:draingym/PlacementLearned-v0").reset(seed=0)  # data of the wheel
"""

NAMES = f"""
import importlib
import pathlib
import sys

import draingym

assert pathlib.Path(draingym.__file__).is_relative_to(sys.prefix), draingym.__file__
for name in {OWN!r}:
    assert importlib.import_module(name).MINE == name, name
    if name not in {"forecasters", "oracle"}:  # the oracle comes with the extra `data`
        assert not hasattr(importlib.import_module("draingym." + name), "MINE"), name
"""


def main() -> None:
    """Raise where a check fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="folder that keeps the wheel and the sdist")
    parser.add_argument("--tag", help="of the release, such as v1.2.3")
    arguments = parser.parse_args()
    if arguments.tag is not None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
        check_tag(arguments.tag, project["version"], changelog)
    with tempfile.TemporaryDirectory() as folder:
        dist, project = Path(folder, "dist"), Path(folder, "project")
        run(Path(sys.executable).with_name("uv"), "build", "--quiet", "--out-dir", dist)
        (sdist,), (wheel,) = dist.glob("*.tar.gz"), dist.glob("*.whl")
        check_contents(sdist, wheel)
        run(sys.executable, "-m", "twine", "check", "--strict", sdist, wheel)

        shutil.rmtree(VENV, ignore_errors=True)
        run("sh", "tools/install.sh", "--wheel", wheel, "core", VENV.name)
        make_project(project)
        use(VENV / "bin" / "python", project)
        if arguments.out is not None:
            arguments.out.mkdir(parents=True, exist_ok=True)
            for archive in (sdist, wheel):
                shutil.copy(archive, arguments.out)
    print("The wheel works where the user's own modules are called", ", ".join(OWN))


def check_tag(tag: str, version: str, changelog: str) -> None:
    """Raise where a tag is not of the version, or the changelog has no dated section for it."""
    if tag != f"v{version}":
        raise SystemExit(f"The tag is {tag}, must be v{version}, the version in pyproject.toml")
    if not re.search(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", changelog, re.M):
        raise SystemExit(f"CHANGELOG.md must have a section '## [{version}] - YYYY-MM-DD'")


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """Return what a command prints; its errors go to ours."""
    variables = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    variables["PYTHON"] = sys.executable  # for tools/install.sh
    return subprocess.run(
        command, cwd=cwd, env=variables, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def package() -> dict[str, bytes]:
    """Return the files of the package as they are to be shipped, by their names in the wheel."""
    found: dict[str, bytes] = {}
    for name in listed("draingym"):
        path = ROOT / name
        if path.is_symlink():
            inner = listed(path.resolve().relative_to(ROOT).as_posix())
            found |= {f"draingym/{other}": (ROOT / other).read_bytes() for other in inner}
        else:
            found[name] = path.read_bytes()
    return found


def listed(folder: str) -> list[str]:
    """Return the files of a folder that git knows or would add."""
    names = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "--", folder)
    return [name for name in names.splitlines() if os.path.lexists(ROOT / name)]


def check_contents(sdist: Path, wheel: Path) -> None:
    """Raise where an archive holds anything but the package, once, and what goes with it."""
    with zipfile.ZipFile(wheel) as archive:
        inside = [(name, archive.read(name)) for name in archive.namelist()]
    about = f"{'-'.join(wheel.name.split('-')[:2])}.dist-info/"
    names = ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    compare(wheel, inside, {about + name for name in names})

    with tarfile.open(sdist) as archive:
        files = [(member.name, archive.extractfile(member)) for member in archive.getmembers()]
        inside = [(n.partition("/")[2], file.read() if file else b"") for n, file in files]
    beside = {".gitignore", "CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml"}
    compare(sdist, inside, beside)


def compare(archive: Path, inside: list[tuple[str, bytes]], beside: set[str]) -> None:
    """Raise where files are missing, too many, there twice or other than the repository's."""
    found, wanted = dict(inside), package()
    faults = {
        "lacks": (wanted.keys() | beside) - found.keys(),
        "should not hold": found.keys() - wanted.keys() - beside,
        "changed": {name for name in wanted.keys() & found.keys() if wanted[name] != found[name]},
        "holds twice": {name for name, count in Counter(n for n, _ in inside).items() if count > 1},
    }
    for fault, names in faults.items():
        if names:
            raise SystemExit(f"{archive.name} {fault}: {', '.join(sorted(names))}")


def make_project(project: Path) -> None:
    """Write a user's folder: programs, and modules of the same names as ours."""
    programs = {"example.py": readme("python"), "environment.py": ENVIRONMENT, "names.py": NAMES}
    own = {
        f"{name}/__init__.py" if name in {"drain_model", "policies"} else f"{name}.py": (
            f'MINE = "{name}"\n'
        )
        for name in OWN
    }
    for name, text in {**programs, **own}.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def readme(language: str) -> str:
    """Return the README's first block in a language."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return text.partition(f"```{language}\n")[2].partition("```")[0]


def use(python: Path, project: Path) -> None:
    """Run the programs and the command line there."""
    printed = run(python, "example.py", cwd=project)
    if printed != readme("text"):
        raise SystemExit(f"The README's first example prints\n{printed}and not\n{readme('text')}")
    run(python, "names.py", cwd=project)
    run(python, "environment.py", cwd=project)
    for command in ([python.with_name("draingym")], [python, "-m", "draingym.cli"]):
        if "train-drain" not in run(*command, "--help", cwd=project):
            raise SystemExit(f"{command} --help lists no commands")


if __name__ == "__main__":
    main()
