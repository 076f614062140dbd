"""The command line. One thin file a command; this one lists them and turns every error into one message and an exit
code.

Exit codes: 0 nothing to report; 1 a finding reaches --fail-on; 2 the request or the data is wrong; 3 a planned check,
or the program itself, did not complete; 130 stopped by Ctrl-C; 143 stopped by SIGTERM."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import TextIO, cast

import typer

from assay.cli import (
    attack,
    attest,
    bench,
    blame,
    certify,
    checklist,
    clean,
    corpus,
    crowd,
    demo,
    doctor,
    drill,
    explain,
    identify,
    inspect,
    ledger,
    model,
    plot,
    policy,
    remediate,
    repair,
    restore,
    review,
    scan,
    screen_context,
    serve,
    signatures,
    train,
    trusted,
    unlearn,
    validate,
    watch,
)
from assay.cli.terminal import Shielded

OK, FOUND, WRONG, INCOMPLETE, STOPPED, TERMINATED = 0, 1, 2, 3, 130, 143

# how the loader of libraries and the threads of Python say that memory ran out
NO_ROOM = ("failed to map segment from shared object", "annot allocate memory", "can't start new thread", "Unable to allocate")

EPILOG = "Add --debug anywhere to see the traceback of an error. Commands in full: docs/commands.md"

app = typer.Typer(
    name="assay",
    help="Finds poison in training data, proves it, and hands over the trigger.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
for command in (
    scan,
    corpus,
    screen_context,
    clean,
    restore,
    remediate,
    explain,
    plot,
    blame,
    attack,
    bench,
    identify,
    attest,
    ledger,
    crowd,
    review,
    trusted,
    validate,
    inspect,
    repair,
    signatures,
    watch,
    serve,
    checklist,
    policy,
    drill,
    train,
    unlearn,
    certify,
    model,
    demo,
    doctor,
):
    command.add(app)


def _version(wanted: bool) -> None:
    if wanted:
        from assay.version import __version__

        typer.echo(f"assay {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Finds poison in training data, proves it, and hands over the trigger."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: list[str]) -> int:
    """Run the command line; the exit code. No error shows a traceback unless --debug is among the arguments."""
    debug = "--debug" in arguments
    arguments = [_at_home(a) for a in arguments if a != "--debug"]
    before = signal.signal(signal.SIGTERM, _terminated)
    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast(TextIO, Shielded(stream)) for stream in streams)
    try:
        return _run(arguments, debug)
    finally:
        sys.stdout, sys.stderr = streams
        signal.signal(signal.SIGTERM, before)


def _at_home(argument: str) -> str:
    """~/ as the home folder after an option's = too, where a shell leaves it as it is: Arrow would go home, and Python into a folder
    called ~.

    >>> _at_home("--out=~/x") == "--out=" + os.path.expanduser("~/x"), _at_home("a~/b"), _at_home("~cf")
    (True, 'a~/b', '~cf')
    """
    option, equals, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
    return option + equals + (os.path.expanduser(value) if value.startswith("~/") else value)


def _run(arguments: list[str], debug: bool) -> int:
    try:
        code = app(args=arguments, standalone_mode=False, prog_name="assay")
        if code == STOPPED:  # typer takes an interruption for an exit
            raise KeyboardInterrupt
        return code if isinstance(code, int) else OK
    except (KeyboardInterrupt, typer.Abort):
        _say("stopped; nothing was left half-written, and the same command goes on where a scan stopped")
        return STOPPED
    except _Terminated:
        return TERMINATED
    except Exception as error:  # the one place where every error becomes a message
        if debug:
            raise
        return _message(error)


def _message(error: Exception) -> int:
    import sqlite3

    from assay.dataset.errors import DataError, short_of_memory
    from assay.engine.shelf import NoRoom

    show = getattr(error, "show", None)
    if callable(show) and hasattr(error, "exit_code"):  # typer's own: an unknown option, a missing argument
        show()
        return WRONG
    if isinstance(error, DataError):
        _say(str(error))
        return WRONG
    if isinstance(error, NoRoom):
        _say(str(error))
        return INCOMPLETE
    if short_of_memory(error) or any(sign in str(error) for sign in NO_ROOM):
        _say("out of memory. Remedy: scan a part of the rows, or use a machine with more memory")
        return INCOMPLETE
    if isinstance(error, sqlite3.OperationalError):  # SQLite's own words for a full disk, a lost right, a lock that is not let go
        _say(f"an index on this disk cannot be written or read ({error}). Remedy: see that the disk has room and may be written to")
        return WRONG
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        _say(f"{place}{error.strerror or error}")
        return WRONG
    _say(f"this is a fault in Assay: {type(error).__name__}: {error}. Run again with --debug and report what it prints")
    return INCOMPLETE


def _say(text: str) -> None:
    print(f"assay: {text}", file=sys.stderr)


class _Terminated(BaseException):
    """SIGTERM, raised so that temporary files are removed on the way out."""


def _terminated(number: int, frame: FrameType | None) -> None:
    raise _Terminated
