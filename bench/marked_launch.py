"""A launch that tells when each of its parts ended. A program: ``marked_launch.py START LAUNCHER-OPTIONS``.

The product is not touched: functions that it calls on its way are wrapped here, and the wrappers look at the clocks.
Prints a JSON list of [part, wall seconds, CPU seconds], both counted from the start of the process; START is that
start on the monotonic clock. ``parts.py`` runs it.
"""

import os
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

_marks: list[tuple[str, float, float]] = []


def main() -> None:
    """Run the installed command in this process; print the marks when it ends, by whichever way."""
    start = float(sys.argv[1])
    _mark("interpreter start")
    import click  # noqa: F401

    _mark("import click")
    from headless.cli import launch as _launch  # noqa: F401
    from headless.launcher import opening, run
    from headless.launcher.link import Link

    _mark("import headless")
    _wrap(run, "make_job_id", "", "options and files")
    _wrap(opening, "connect", "import ssl", "websocket handshake", _mark_tls)
    _wrap(opening, "log_in", "", "login")
    _wrap(Link, "close", "waiting for the job's end", "close")
    _mark_calls(Link)
    leave = os._exit

    def leave_marked(status: int) -> NoReturn:
        _print_marks(start)
        leave(status)

    os._exit = leave_marked
    command = os.path.join(os.path.dirname(sys.executable), "headless")
    sys.argv = [command, *sys.argv[2:]]
    with open(command, encoding="utf-8") as file:
        code = compile(file.read(), command, "exec")
    try:
        exec(code, {"__name__": "__main__"})
    finally:
        _print_marks(start)


def _print_marks(start: float) -> None:
    _mark("close")
    import json

    print(json.dumps([[part, wall - start, cpu] for part, wall, cpu in _marks]), flush=True)


def _mark(part: str) -> None:
    """Say that this part ends here."""
    _marks.append((part, time.monotonic(), time.process_time()))


def _wrap(owner: Any, name: str, before: str, after: str, first: Callable[..., None] | None = None) -> None:
    """Have a function mark the end of the part ``before`` when it is called, and of ``after`` when it returns.

    ``first`` is called in between, with the same arguments.
    """
    function: Callable[..., Any] = getattr(owner, name)

    def wrapped(*arguments: Any, **keywords: Any) -> Any:
        if before:
            _mark(before)
        if first is not None:
            first(*arguments, **keywords)
        result = function(*arguments, **keywords)
        _mark(after)
        return result

    setattr(owner, name, wrapped)


def _mark_calls(link: Any) -> None:
    """Mark the end of the calls that concern the job."""
    call = link.call

    def wrapped(self: Any, method: str, params: Any) -> Any:
        result = call(self, method, params)
        if method.startswith("job."):
            _mark(method)
        return result

    link.call = wrapped


def _mark_tls(_: Any, tls: Any, *__: Any) -> None:
    """Mark the parts of a connection over TCP; by now its imports are done."""
    if tls is None:
        return
    import ssl

    from headless.transport import tls as transport

    _wrap(transport, "build_client_context", "TCP connect", "TLS context")
    _wrap(ssl.SSLContext, "wrap_socket", "TLS context", "TLS handshake")


if __name__ == "__main__":
    main()
