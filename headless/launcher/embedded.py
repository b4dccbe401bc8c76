"""The embedded server: found, or started for this user, when no ``--service`` is given.

One per user, on a unix socket in a 0700 folder. Launches that start at the same instant queue at a lock; the first
one starts the server, the others find it. It outlives the launcher and ends when it has been idle for some minutes.
"""

import math
import os
import platform
import subprocess
import sys
import time

from headless.config import Environment
from headless.errors import ConnectionFailed, ParameterError
from headless.transport.address import MAX_UNIX_PATH, UnixAddress

__all__ = ["IDLE_EXIT_S", "embedded_addresses", "embedded_state", "ensure_server", "server_command", "wait_for_end"]

IDLE_EXIT_S = 300.0
START_LIMIT_S = 30.0  # of the server's start, and before it of the wait for the one before to end
STEP_S = 0.02
READY = b"ready\n"
SOCKET = "server.sock"
STATE_LOCK = "lock"  # held by the server as long as it lives


def embedded_state(environment: Environment) -> str:
    """The embedded server's state folder: one a host, for a home folder may be shared by many."""
    return os.path.join(environment.state_folder, platform.node() or "localhost")


def embedded_addresses(environment: Environment) -> list[UnixAddress]:
    """The embedded server's sockets, the first one to be tried first.

    A login has a runtime folder, cron has none, and after the last logout it is gone: so the server listens in its
    state folder in any case, and both kinds of launch come to the same one.

    Raises:
        ParameterError: there is no embedded server on this system, the path is too long for a socket, or the folder
            is another user's.
    """
    if sys.platform == "win32":
        raise ParameterError("there is no embedded server on Windows: give --service HOST:PORT")
    state = embedded_state(environment)
    if not _is_own(state):
        raise ParameterError(f"{state} belongs to another user: set XDG_STATE_HOME to a folder of yours")
    paths = [os.path.join(state, SOCKET)]
    # su and sudo may leave another user's runtime folder in the environment: its server is not ours.
    if environment.runtime_folder and os.path.isdir(environment.runtime_folder) and _is_own(environment.runtime_folder):
        paths.insert(0, os.path.join(environment.runtime_folder, "headless", SOCKET))
    usable = [UnixAddress(path) for path in paths if len(path.encode()) <= MAX_UNIX_PATH]
    if not usable:
        raise ParameterError(
            f"{paths[0]} is too long for a unix socket: set XDG_STATE_HOME to a folder with a shorter name"
        )
    return usable


def ensure_server(environment: Environment, limit_s: float = math.inf) -> UnixAddress:
    """Have the embedded server running, and return where it listens.

    Args:
        environment: whose server it is.
        limit_s: seconds for each of its waits, if that is less than their own limit. A server that was started and is
            not ready by then still becomes so.

    Raises:
        ConnectionFailed: it could not be started; the message names its log.
        ParameterError: its folder is of no use.
    """
    addresses = embedded_addresses(environment)
    if sys.platform == "win32":
        raise ParameterError("there is no embedded server on Windows: give --service HOST:PORT")
    state = embedded_state(environment)
    for folder in {state, *(os.path.dirname(address.path) for address in addresses)}:
        _make_private(folder)
    limit_s = min(limit_s, START_LIMIT_S)
    lock = _lock(
        os.path.join(state, "start.lock"), "another launch is starting the embedded server, and does not end", limit_s
    )
    try:
        for address in addresses:
            if _is_listening(address):
                return address
        # A server that ends listens no more, and still holds its state folder.
        reason = "the embedded server is stopping"
        os.close(_lock(os.path.join(state, STATE_LOCK), reason, limit_s))
        _start_server(server_command(environment), os.path.join(state, "server.log"), environment.home, limit_s)
        return addresses[0]
    finally:
        os.close(lock)


def server_command(environment: Environment) -> list[str]:
    """The command line of the embedded server."""
    state = embedded_state(environment)
    listen = [item for address in embedded_addresses(environment) for item in ("--listen", str(address))]
    settings = ["--socket-mode", "600", "--state", state, "--idle-exit", f"{IDLE_EXIT_S:g}"]
    log = ["--log-file", os.path.join(state, "server.log")]
    return [sys.executable, "-I", "-m", "headless", "serve", *listen, *settings, *log]


def wait_for_end(environment: Environment) -> None:
    """Wait until the embedded server, which was told to stop, is gone; its jobs may take as long as they do."""
    os.close(_lock(os.path.join(embedded_state(environment), STATE_LOCK), "", math.inf))


def _lock(path: str, reason: str, limit_s: float) -> int:
    """Take the lock on a file, within so many seconds; it is held until the returned descriptor is closed.

    Raises:
        ConnectionFailed: with this reason: another process keeps it for too long.
        ParameterError: the file cannot be opened.
    """
    if sys.platform == "win32":
        raise AssertionError("there is no embedded server on Windows")
    import fcntl

    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as exc:
        raise ParameterError(f"{path} is of no use: {exc.strerror}") from exc
    deadline = time.monotonic() + limit_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except OSError as exc:
            if time.monotonic() > deadline:
                os.close(lock)
                raise ConnectionFailed(f"{reason}: try again later") from exc
        time.sleep(STEP_S)


def _is_listening(address: UnixAddress) -> bool:
    import socket

    if sys.platform == "win32":
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(address.path) == 0


def _start_server(command: list[str], log: str, home: str, limit_s: float) -> None:
    """Start it in a session of its own and wait until it says that it is ready, or ends.

    Its environment does not depend on who happens to need it first: a unit's NOTIFY_SOCKET, say, is not for it.
    """
    reader, writer = os.pipe()
    try:
        with open(os.devnull, "r+b") as null, open(log, "ab", opener=_open_private) as errors:
            subprocess.Popen(  # noqa: S603  # our own interpreter and our own command
                [*command, "--ready-fd", str(writer)],
                stdin=null, stdout=null, stderr=errors, cwd="/", start_new_session=True, pass_fds=(writer,),
                env={"HOME": home, "PATH": os.defpath, "LANG": "C.UTF-8"},
            )  # fmt: skip
        os.close(writer)
        writer = -1
        if _read_line(reader, time.monotonic() + limit_s) != READY:
            raise ConnectionFailed(f"the embedded server did not start: see {log}")
    finally:
        os.close(reader)
        if writer >= 0:
            os.close(writer)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)


def _read_line(descriptor: int, deadline: float) -> bytes:
    import select

    ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
    return os.read(descriptor, len(READY)) if ready else b""


def _is_own(folder: str) -> bool:
    """Whether a folder is this user's, or is still to be made."""
    try:
        return sys.platform == "win32" or os.stat(folder).st_uid == os.geteuid()
    except OSError:
        return True


def _make_private(folder: str) -> None:
    """A folder of this user that nobody else can look into."""
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        status = os.stat(folder)
        if sys.platform != "win32" and status.st_uid != os.geteuid():
            raise ParameterError(f"{folder} belongs to another user: set XDG_RUNTIME_DIR or XDG_STATE_HOME to your own")
        if status.st_mode & 0o022:  # what lies in it may be anybody's
            raise ParameterError(f"{folder} can be written by others: look at what is in it, then chmod 700 {folder}")
        if status.st_mode & 0o055:
            os.chmod(folder, 0o700)
    except OSError as exc:
        raise ParameterError(f"{folder} is of no use: {exc.strerror}: set XDG_STATE_HOME to a folder of yours") from exc
