"""The list of verbs, and how each of them ends."""

from __future__ import annotations

import sys
import traceback
import warnings
from collections.abc import Callable
from types import MappingProxyType

import tyro

from draingym.cli.demo import data, demo, play
from draingym.cli.drain_model import evaluate_drain, train_drain
from draingym.cli.forecasts import forecast
from draingym.cli.logs import check, ingest, panel, replay, run
from draingym.cli.policies import fine_tune, recommend, train_policy, validate

VERBS = MappingProxyType[str, Callable[..., None]](  # in the order of --help
    {
        "demo": demo,
        "data": data,
        "ingest": ingest,
        "replay": replay,
        "check": check,
        "train-drain": train_drain,
        "evaluate-drain": evaluate_drain,
        "validate": validate,
        "train-policy": train_policy,
        "panel": panel,
        "fine-tune": fine_tune,
        "recommend": recommend,
        "run": run,
        "play": play,
        "forecast": forecast,
    }
)


def main() -> None:
    """Run the command line.

    Bad input, a file that cannot be read or written, and an extra that is not installed end with
    one line and exit code 2. ``--debug``, anywhere, shows where the line came from.
    """
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    shown = warnings.formatwarning
    warnings.formatwarning = _one_line
    try:
        tyro.extras.subcommand_cli_from_dict(
            dict(VERBS),
            prog="draingym",
            description=(
                "A differentiable inventory gym with a learned drain model. "
                "--debug shows where an error came from."
            ),
            args=[argument for argument in arguments if argument != "--debug"],
        )
    except (ValueError, OSError, ImportError) as error:  # one that says which extra is missing
        if debug:
            traceback.print_exc()
        print(f"draingym: {' '.join(str(error).split())}", file=sys.stderr)
        raise SystemExit(2) from error
    except KeyboardInterrupt:
        print("draingym: interrupted; the same command goes on", file=sys.stderr)
        raise SystemExit(130) from None
    finally:
        warnings.formatwarning = shown


def _one_line(message: Warning | str, *where: object, **more: object) -> str:
    """Return a warning as the command line shows it."""
    del where, more
    return f"draingym: warning: {' '.join(str(message).split())}\n"
