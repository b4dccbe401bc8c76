"""The command ``headless``: options mean a launch, a word means a command. The one error boundary."""

import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from headless.errors import HeadlessError
from headless.launcher.interrupts import Interrupted

if TYPE_CHECKING:
    from headless.launcher.talk import Talk

__all__ = ["COMMANDS", "main"]

# The module that holds each command, as an object of the command's name; imported when the command is used.
COMMANDS = {
    "schedule": "headless.cli.schedule",
    "serve": "headless.cli.serve",
    "server": "headless.cli.server",
    "user": "headless.cli.user",
    "completion": "headless.cli.completion",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line, and return its exit code; a signal ends the process as that signal does.

    Args:
        arguments: without the program's name; ``None`` for those of this process.
    """
    argv = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _run(argv)
    except click.exceptions.Exit as exc:
        return exc.exit_code
    except click.Abort:
        return _die(signal.SIGINT)
    except click.ClickException as exc:
        return _fail(argv, exc.format_message().replace("\n", " "), 2)
    except HeadlessError as exc:
        if type(exc) is not HeadlessError:
            return _fail(argv, str(exc), exc.exit_code)
        return _report_bug(argv, exc)
    except Interrupted as exc:
        _fail(argv, str(exc), 0)
        return _die(exc.number)
    except KeyboardInterrupt:
        return _die(signal.SIGINT)
    except BrokenPipeError:
        # Whoever read our output has gone; like every filter, end by the signal that says so.
        return _die(getattr(signal, "SIGPIPE", signal.SIGTERM))
    except Exception as exc:  # noqa: BLE001  # the boundary: a bug is told as such
        return _report_bug(argv, exc)


def _run(argv: list[str]) -> int:
    if argv and not argv[0].startswith("-"):
        from headless.cli.commands import run_command

        return run_command(argv)
    from headless.cli.launch import run_launch

    return run_launch(argv)


def _talk(argv: Sequence[str]) -> "Talk":
    """A quiet one if the launcher was told to be; options may be half parsed or wrong when this is needed."""
    from headless.launcher.talk import Talk

    options = argv[: argv.index("--")] if "--" in argv else argv
    is_launch = not argv or argv[0].startswith("-")
    is_quiet = is_launch and any(
        item == "--quiet" or (item.startswith("-q") and set(item[1:]) <= {"q"}) for item in options
    )
    return Talk(-1 if is_quiet else 0)


def _fail(argv: Sequence[str], message: str, code: int) -> int:
    _talk(argv).error(message)
    return code


def _die(number: int) -> int:
    """End by a signal, so that the parent sees what really happened; where that cannot be, exit 128+N."""
    if sys.platform != "win32":
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    return 128 + number


def _report_bug(argv: Sequence[str], exc: BaseException) -> int:
    from headless.cli.bugs import write_report

    return _fail(argv, f"a bug in headless: {type(exc).__name__}: {exc}: {write_report(argv, exc)}", 70)
