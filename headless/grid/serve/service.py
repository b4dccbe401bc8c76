"""The running grid: listening, sessions, and the end."""

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable

from headless.errors import ParameterError
from headless.execution.lock import lock_folder
from headless.execution.notify import Notifier
from headless.grid.serve.catalogue import Catalogue
from headless.grid.serve.copier import run_copier
from headless.grid.serve.envelopes import Envelopes
from headless.grid.serve.grid import Grid
from headless.grid.serve.host_certificate import HostCertificate
from headless.grid.serve.job_site import JobSite
from headless.grid.serve.jobs import Jobs
from headless.grid.serve.periodic import run_each
from headless.grid.serve.pki import Authority
from headless.grid.serve.pki_files import choose_host_name
from headless.grid.serve.sessions import Sessions
from headless.grid.serve.settings import GridSettings
from headless.grid.serve.stores import Stores
from headless.grid.serve.sweeper import run_sweeper
from headless.grid.serve.verifier import run_verifier
from headless.grid.serve.xrootd import StorageClient
from headless.transport.address import TcpAddress, parse_address
from headless.transport.server import Dialect, Listener, Server, close_quietly, listen, open_socket

if sys.platform == "win32":
    raise ImportError("the server runs on POSIX systems only: use one of another machine")

__all__ = ["run_grid"]

MAX_MESSAGE = 1 << 20  # bytes; what is above the protocol's own limit, and below this, is answered
OPEN_TIMEOUT_S = 10.0
PING_S = 20.0
ANY_HOST = ("0.0.0.0", "::", "")  # noqa: S104  # what an address says that is none to reach us at

log = logging.getLogger("headless.grid")


def run_grid(settings: GridSettings, notifier: Notifier, tell: Callable[[str, int], None]) -> None:
    """Run a grid until a signal ends it.

    Args:
        settings: of it.
        notifier: is told the address as soon as it listens, and the end.
        tell: is given a host's name that its certificate has, and the port, then too.

    Raises:
        HeadlessError: it could not start.
    """
    import uvloop

    os.umask(0o022)
    try:
        os.makedirs(settings.state, 0o700, exist_ok=True)
        if settings.run_as:
            # Jobs of another OS user must pass through; what is in it is closed to them.
            os.chmod(settings.state, 0o711)  # noqa: S103
        lock = lock_folder(settings.state)
    except OSError as exc:
        raise _refuse(settings.state, exc) from exc
    if lock is None:
        raise ParameterError(f"state folder {settings.state} is in use by another server")
    uvloop.run(_Service(settings, notifier, tell).run())
    os.close(lock)


def _refuse(state: str, error: OSError) -> ParameterError:
    place = f": {error.filename}" if isinstance(error.filename, str) and error.filename != state else ""
    return ParameterError(f"state folder {state} is of no use{place}: {error.strerror or error}")


class _Service:
    def __init__(self, settings: GridSettings, notifier: Notifier, tell: Callable[[str, int], None]) -> None:
        self._settings = settings
        self._notifier = notifier
        self._tell = tell
        self._catalogue: Catalogue
        self._grid: Grid

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        stop: asyncio.Queue[signal.Signals] = asyncio.Queue()
        try:
            server, sessions = await self._start(stop)
        except OSError as exc:
            raise _refuse(self._settings.state, exc) from exc
        background = [asyncio.create_task(run(self._grid)) for run in (run_sweeper, run_copier, run_verifier)]
        background.append(asyncio.create_task(sessions.watch_users()))
        background.append(asyncio.create_task(run_each(self._grid, log, self._certificate.renew)))
        reason = (await stop.get()).name
        log.info("stopping reason=%s sessions=%d", reason, self._grid.present.total())
        self._notifier.stopping(f"stopping: {reason}")
        for task in background:
            task.cancel()
        close_quietly(server)
        await sessions.close()
        await self._grid.jobs.stop()
        self._grid.storage_client.close()
        await self._grid.stores.stop()
        await self._catalogue.close()

    async def _start(self, stop: "asyncio.Queue[signal.Signals]") -> tuple[Server, Sessions]:
        """Open all, begin to listen, and tell where.

        Args:
            stop: is given the signals that are to end it.

        Raises:
            HeadlessError, OSError: it could not start.
        """
        address = parse_address(self._settings.listen, is_any_port=True)
        if not isinstance(address, TcpAddress):
            raise ParameterError(f"--listen {address}: storages and clients' certificates need TCP: give HOST:PORT")
        authority = Authority.open(self._settings.pki)
        self._catalogue = Catalogue.open(self._settings.database, self._settings.state)
        # Not before: a signal ends the wait for another's lock, for nothing has begun.
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.put_nowait, number)
        envelopes = Envelopes.open(self._settings.pki)
        stores = Stores(self._catalogue, envelopes)
        client = StorageClient(envelopes)
        self._certificate = HostCertificate(authority)
        channel = open_socket(address, 0o600)
        host, port = channel.getsockname()[:2]
        name = socket.getfqdn() if host in ANY_HOST else host
        place = TcpAddress(host, port)
        site = JobSite(self._settings, self._catalogue, authority, place)  # which may refuse, before anything is made
        await stores.start(self._settings.storages, name, self._settings.storage_port)
        jobs = Jobs(self._catalogue, site, self._settings)
        self._grid = Grid(self._settings, self._catalogue, authority, envelopes, stores, client, site, jobs)
        sessions = Sessions(self._grid)
        await sessions.register_users()
        await sessions.publish_users()
        dialect = Dialect(None, MAX_MESSAGE, sessions.admit)
        server = await listen(
            Listener(channel, str(place), self._certificate.context), sessions.handle, OPEN_TIMEOUT_S, PING_S, dialect
        )
        await jobs.start()
        log.info("listening address=%s", place)
        self._tell(choose_host_name(authority, host), port)
        self._notifier.ready(f"listening on {place}", str(place))
        return server, sessions
