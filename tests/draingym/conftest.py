"""What several files of tests share.

Fixtures import what comes with the extra `data`: some of the tests run without it.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from draingym.cli import main
from tests.draingym.report_results import Results, fake_results


@pytest.fixture
def results() -> Results:
    """Results of a run that a test may break."""
    return fake_results()


@pytest.fixture(scope="session")
def whole_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder in which nothing was trained; not to be changed."""
    from tests.draingym.damage import make_folder

    out = tmp_path_factory.mktemp("run")
    make_folder(out)
    return out


@pytest.fixture
def folder(whole_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the folder that a test may damage; its world is made once for all of them."""
    from draingym.demo import run_data
    from tests.draingym.damage import world_of

    shutil.copytree(whole_folder, tmp_path / "run")
    monkeypatch.setattr(run_data, "build_world", lambda lines, config: world_of(config))
    return tmp_path / "run"


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Callable[..., str]:
    """Runs a command that must be refused with one line, and returns it."""

    def call(*words: object) -> str:
        monkeypatch.setattr("sys.argv", ["draingym", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        error = capsys.readouterr().err
        assert end.value.code == 2
        assert error.startswith("draingym: ")
        assert error.count("\n") == 1
        assert len(error) < 1500
        return error

    return call
