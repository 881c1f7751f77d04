"""The list of verbs, and how each of them ends."""

from __future__ import annotations

import sys
import time
import traceback
import warnings
from collections.abc import Callable
from types import MappingProxyType

import tyro

from draingym.cli.demo import data, demo, play, selftest
from draingym.cli.drain_model import evaluate_drain, train_drain
from draingym.cli.forecasts import forecast
from draingym.cli.logs import check, ingest, panel, replay, run
from draingym.cli.policies import fine_tune, recommend, train_policy, validate
from draingym.cli.terminal import EXIT_CODES, OPTIONS, Outcome, failed, tell, use

VERBS = MappingProxyType[str, Callable[..., Outcome]](  # in the order of --help
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
        "selftest": selftest,
    }
)


def main() -> None:
    """Run the command line.

    Bad input, a file that cannot be read or written, and an extra that is not installed end with
    one line and exit code 2. ``--debug``, anywhere, shows where the line came from; ``--quiet``
    says nothing but that line and warnings, ``--json`` prints one object at the end, and words to
    standard error.
    """
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    asked = [OPTIONS[argument] for argument in arguments if argument in OPTIONS]
    use(asked[-1] if asked else "words")
    as_json = asked[-1:] == ["json"]
    shown = warnings.formatwarning
    warnings.formatwarning = _one_line
    began = time.perf_counter()
    codes = ", ".join(f"{code} {what}" for code, what in EXIT_CODES.items())
    try:
        outcome = tyro.extras.subcommand_cli_from_dict(
            dict(VERBS),
            prog="draingym",
            description=(
                "A differentiable inventory gym with a learned drain model. With any verb: --quiet "
                "says nothing, --json prints one object at the end, --debug shows where an error "
                f"came from. Exit codes: {codes}."
            ),
            args=[argument for argument in arguments if argument not in {"--debug", *OPTIONS}],
        )
        verb = next((argument for argument in arguments if argument in VERBS), "")
        tell(verb, outcome, time.perf_counter() - began)
        if outcome.code:
            raise SystemExit(outcome.code)
    except (ValueError, OSError, ImportError) as error:  # one that says which extra is missing
        if debug:
            traceback.print_exc()
        line = " ".join(str(error).split())
        print(f"draingym: {line}", file=sys.stderr)
        if as_json:
            print(failed(line))
        raise SystemExit(2) from error
    except KeyboardInterrupt:
        print("draingym: interrupted; the same command goes on", file=sys.stderr)
        raise SystemExit(130) from None
    finally:
        warnings.formatwarning = shown
        use("words")


def _one_line(message: Warning | str, *where: object, **more: object) -> str:
    """Return a warning as the command line shows it."""
    del where, more
    return f"draingym: warning: {' '.join(str(message).split())}\n"
