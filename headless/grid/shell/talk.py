"""Commands about the shell and the session themselves."""

import time

from headless.extras import tell_install
from headless.grid.errnos import EINVAL
from headless.grid.messages import GridError, Reply
from headless.grid.shell.shell import Shell
from headless.grid.shell.table import COMMANDS, SERVER, find_handler

__all__ = ["help", "leave", "measure", "ping", "set_prompt", "show_code", "show_version"]


def ping(shell: Shell, name: str, args: list[str]) -> Reply:
    """Round trips on the websocket."""
    if args and not (args[0].isdecimal() and 0 < int(args[0]) < 10_000):
        raise GridError(EINVAL, f"ping: {args[0]!r} is no count")
    count = int(args[0]) if args else 3
    times = [shell.session.ping() * 1000 for _ in range(count)]
    mean = sum(times) / count
    deviation = (sum((each - mean) ** 2 for each in times) / max(count - 1, 1)) ** 0.5
    numbers = "/".join(f"{value:.3f}" for value in (min(times), mean, max(times), deviation))
    return shell.answer(
        f"Websocket ping/pong(s) : {count} time(s) to {shell.session.peer}", f"rtt min/avg/max/mdev (ms) = {numbers}"
    )


def measure(shell: Shell, name: str, args: list[str]) -> Reply:
    """``time``: a command, and how long it took."""
    if not args:
        raise GridError(EINVAL, "time: give a command")
    began = time.perf_counter()
    reply = find_handler(args[0], args[1:])(shell, args[0], args[1:])
    shell.output.error(f"{args[0]}: {(time.perf_counter() - began) * 1000:.2f} ms")
    return reply


def show_version(shell: Shell, name: str, args: list[str]) -> Reply:
    """Of this program, Python and XRootD."""
    import importlib.metadata
    import sys

    from headless import __version__

    try:
        xrootd = importlib.metadata.version("xrootd")
    except importlib.metadata.PackageNotFoundError:
        xrootd = f"not installed: {tell_install('grid')}"
    python = ".".join(map(str, sys.version_info[:3]))
    return shell.answer(f"headless version: {__version__}", f"Python version: {python}", f"XRootD version: {xrootd}")


def set_prompt(shell: Shell, name: str, args: list[str]) -> Reply:
    """Toggle what the prompt shows."""
    if not args or set(args) - {"date", "pwd"}:
        raise GridError(EINVAL, "prompt: give date, pwd or both")
    shell.prompt_date ^= "date" in args
    shell.prompt_directory ^= "pwd" in args
    return shell.answer()


def show_code(shell: Shell, name: str, args: list[str]) -> Reply:
    """Of the command before."""
    return shell.answer(str(shell.code))


def help(shell: Shell, name: str, args: list[str]) -> Reply:
    """All commands, or the help of one."""
    if args:
        return find_handler(args[0], ["-h"])(shell, args[0], ["-h"])
    try:
        known = shell.session.commands
    except GridError as exc:
        shell.output.error(f"the server cannot be asked for its commands, some are shown: {exc}")
        known = SERVER
    names = sorted(set(COMMANDS) | known, key=str.casefold)
    return shell.answer(
        "help COMMAND tells more of one; !COMMAND runs one of this machine; COMMAND | COMMAND gives it the text:",
        *_columns(names),
    )


def leave(shell: Shell, name: str, args: list[str]) -> Reply:
    """End, with a code, and a message if there is one; what looks like a code and is none ends it as a failure."""
    code = shell.code
    if args and args[0].lstrip("+-")[:1].isdecimal() and not _is_code(args[0]):
        shell.ended = EINVAL
        raise GridError(EINVAL, f"{name}: {args[0]!r} is no code: give {name} [CODE] [stderr] [MESSAGE]")
    if args and args[0].isdecimal():
        code = int(args.pop(0)) & 0xFF
    is_error = bool(args) and args[0] in ("stderr", "err")
    text = " ".join(args[is_error:])
    shell.ended = code
    if text and (is_error or code):
        shell.output.error(text)
        return shell.answer()
    return shell.answer(*[text] if text else [])


def _is_code(text: str) -> bool:
    """The system keeps its last eight bits: of a failure they must not make a success."""
    return text.isdecimal() and (int(text) == 0 or int(text) & 0xFF != 0)


def _columns(names: list[str]) -> list[str]:
    import shutil

    width = max(map(len, names)) + 2
    count = max(shutil.get_terminal_size().columns // width, 1)
    lines = [names[at : at + count] for at in range(0, len(names), count)]
    return ["".join(name.ljust(width) for name in line).rstrip() for line in lines]
