"""``tools/audit.sh``: what it looks up, and how it ends; what it calls is stood in for."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def audit(folder: Path, *words: str, reached: bool, holes: str = "") -> tuple[int, str, list[str]]:
    """Run it; return its exit code, its errors and the files that were audited."""
    (folder / "bin").mkdir()
    scripts = {
        "python": f"echo 'no such host'; exit {0 if reached else 1}",
        "pip-audit": f'for f; do :; done; echo "$f" >> {folder}/seen; [ "$f" != "{holes}" ]',
    }
    for name, text in scripts.items():
        path = folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    command = ("sh", "tools/audit.sh", *words, str(folder))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    seen = folder / "seen"
    return done.returncode, done.stderr, seen.read_text().split() if seen.exists() else []


@pytest.mark.parametrize(("words", "code"), [((), 75), (("--may-skip",), 0)])
def test_where_nobody_can_be_asked_it_says_that_nothing_was_audited(
    tmp_path: Path, words: tuple[str, ...], code: int
) -> None:
    ended, said, seen = audit(tmp_path, *words, reached=False)
    assert (ended, seen) == (code, [])
    assert said.startswith("audit: pypi.org cannot be asked for advisories, nothing was audited")
    assert "no such host" in said


@pytest.mark.parametrize(("holes", "code"), [("", 0), ("requirements/core.txt", 1)])
def test_all_files_are_audited_and_one_hole_fails(tmp_path: Path, holes: str, code: int) -> None:
    ended, _, seen = audit(tmp_path, "--may-skip", reached=True, holes=holes)
    assert ended == code
    left_out = {"oldest.txt", "gpu.txt", "audit.txt"}
    there = {path.name for path in (ROOT / "requirements").glob("*.txt")} - left_out
    assert seen == [f"requirements/{name}" for name in sorted(there)]
