"""The command ``headless``: options mean a launch, a word means a command. The one error boundary."""

import errno
import os
import signal
import sys
from collections.abc import Sequence

import click

from headless.config import read_completion
from headless.errors import HeadlessError, ParameterError
from headless.launcher.interrupts import Interrupted
from headless.launcher.talk import Talk

__all__ = ["COMMANDS", "main"]

# The module that holds each command, as an object of the command's name; imported when the command is used.
COMMANDS = {
    "jobs": "headless.cli.jobs",
    "audit": "headless.cli.audit",
    "schedule": "headless.cli.schedule",
    "serve": "headless.cli.serve",
    "server": "headless.cli.server",
    "user": "headless.cli.user",
    "grid": "headless.cli.grid",
    "inventory": "headless.cli.inventory",
    "completion": "headless.cli.completion",
}

# What a full disk or a broken one answers to a write: no bug of ours.
NOT_WRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def main(arguments: Sequence[str] | None = None, *, failure: BaseException | None = None) -> int:
    """Run a command line, and return its exit code; a signal ends the process as that signal does.

    Args:
        arguments: without the program's name; ``None`` for those of this process.
        failure: what running it in another way has come to already: to be told, and nothing to be run.
    """
    _fill_standard_descriptors()
    code = _run_guarded(tuple(sys.argv[1:] if arguments is None else arguments), Talk(0), failure)
    _drop_unwritten()
    return code


def _run_guarded(argv: tuple[str, ...], talk: Talk, failure: BaseException | None) -> int:
    """The error boundary."""
    try:
        if failure is not None:
            raise failure
        return _run(argv, talk)
    except click.exceptions.Exit as exc:
        return exc.exit_code
    except click.Abort:
        return _die(signal.SIGINT)
    except click.ClickException as exc:
        return _fail(talk, exc.format_message(), ParameterError.exit_code)
    except HeadlessError as exc:
        if type(exc) is not HeadlessError:
            return _fail(talk, str(exc), exc.exit_code)
        return _report_bug(talk, argv, exc)
    except Interrupted as exc:
        talk.error(str(exc))
        return _die(exc.number)
    except KeyboardInterrupt:
        return _die(signal.SIGINT)
    except BrokenPipeError:
        # Whoever read our output has gone; like every filter, end by the signal that says so.
        return _die(getattr(signal, "SIGPIPE", signal.SIGTERM))
    except Exception as exc:  # noqa: BLE001  # the boundary: a bug is told as such
        if isinstance(exc, OSError) and exc.errno in NOT_WRITTEN and exc.filename is None:
            return _fail(talk, f"the output could not be written: {exc.strerror}", ParameterError.exit_code)
        return _report_bug(talk, argv, exc)


def _run(argv: tuple[str, ...], talk: Talk) -> int:
    if instruction := read_completion():
        from headless.cli.completion import complete

        return complete(instruction)
    if argv and not argv[0].startswith("-"):
        from headless.cli.commands import run_command

        return run_command(argv, talk)
    from headless.cli.launch import run_launch

    return run_launch(argv, talk)


def _fill_standard_descriptors() -> None:
    """Where one of the three is closed, open the null device: else the next file opened would take its place.

    Python has decided by now that such a stream is ``None``, and nothing is written to it.
    """
    if sys.stdin is None or sys.stdout is None or sys.stderr is None:
        while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
            pass
        os.close(descriptor)


def _drop_unwritten() -> None:
    """What a full disk has not taken, Python would try to write once more at its end, and exit with 120."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            setattr(sys, name, None)


def _fail(talk: Talk, message: str, code: int) -> int:
    talk.error(message)
    return code


def _die(number: int) -> int:
    """End by a signal, so that the parent sees what really happened; where that cannot be, exit 128+N."""
    if sys.platform != "win32":
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    return 128 + number


def _report_bug(talk: Talk, argv: Sequence[str], exc: BaseException) -> int:
    from headless.cli.bugs import write_report

    return _fail(talk, f"a bug in headless: {type(exc).__name__}: {exc}: {write_report(argv, exc)}", 70)
