"""The running grid: listening, sessions, and the end."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from http import HTTPStatus

from cryptography import x509

from headless.errors import ConnectionFailed
from headless.execution.files import write_atomically
from headless.grid.serve.call import Session, User
from headless.grid.serve.catalogue import Catalogue
from headless.grid.serve.dialogue import converse
from headless.grid.serve.envelopes import Envelopes
from headless.grid.serve.grid import Grid
from headless.grid.serve.job_site import JobSite
from headless.grid.serve.jobs import Jobs
from headless.grid.serve.people import find_user
from headless.grid.serve.pki import Authority
from headless.grid.serve.settings import GridSettings
from headless.grid.serve.stores import Stores
from headless.grid.serve.xrootd import StorageClient
from headless.transport.address import TcpAddress, parse_address
from headless.transport.server import Channel, Dialect, Listener, close_quietly, listen, open_socket
from headless.transport.tls import build_server_context

if sys.platform == "win32":
    raise ImportError("the server runs on POSIX systems only: use one of another machine")

__all__ = ["run_grid"]

PATH = "/websocket/json"
MAX_MESSAGE = 130 * 1024  # bytes; JAliEn's own limit
OPEN_TIMEOUT_S = 10.0
PING_S = 20.0
ANY_HOST = ("0.0.0.0", "::", "")  # noqa: S104  # what an address says that is none to reach us at

log = logging.getLogger("headless.grid")


def run_grid(settings: GridSettings, ready_fd: int | None) -> None:
    """Run a grid until a signal ends it.

    Raises:
        HeadlessError: it could not start.
    """
    import uvloop

    os.umask(0o022)
    os.makedirs(settings.state, 0o700, exist_ok=True)
    uvloop.run(_Service(settings).run(ready_fd))


class _Service:
    def __init__(self, settings: GridSettings) -> None:
        self._settings = settings
        self._channels: set[Channel] = set()
        self._catalogue: Catalogue

    async def run(self, ready_fd: int | None) -> None:
        """Serve until SIGTERM or SIGINT."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        authority = Authority.open(self._settings.pki)
        self._catalogue = Catalogue.open(self._settings.database, self._settings.state)
        envelopes = Envelopes.open(self._settings.pki)
        stores = Stores(self._catalogue, envelopes)
        address = parse_address(self._settings.listen, is_any_port=True)
        tls = build_server_context(*_ensure_host(authority), os.path.join(authority.folder, "ca.pem"), need_client=True)
        channel = open_socket(address, 0o600)
        host, port = channel.getsockname()[:2]
        name = socket.getfqdn() if host in ANY_HOST else host
        await stores.start(self._settings.storages, name, self._settings.storage_port)
        place = TcpAddress(host, port)
        site = JobSite(self._settings, self._catalogue, authority, place)
        jobs = Jobs(self._catalogue, site, self._settings)
        self._grid = Grid(self._settings, self._catalogue, envelopes, stores, StorageClient(envelopes), site, jobs)
        dialect = Dialect(None, MAX_MESSAGE, self._admit)
        server = await listen(Listener(channel, str(place), tls), self._handle, OPEN_TIMEOUT_S, PING_S, dialect)
        await jobs.start()
        log.info("listening address=%s", place)
        if ready_fd is not None:
            os.write(ready_fd, f"{place}\n".encode())
            os.close(ready_fd)
        await stop.wait()
        close_quietly(server)
        for session in list(self._channels):
            await session.close(1001, "the server stops")
        await jobs.stop()
        await stores.stop()
        await self._catalogue.close()

    async def _admit(self, path: str, certificate: bytes | None) -> HTTPStatus | None:
        if path != PATH:
            return HTTPStatus.NOT_FOUND
        return None if certificate and await self._find(certificate) else HTTPStatus.UNAUTHORIZED

    async def _find(self, certificate: bytes) -> User | None:
        subject = x509.load_der_x509_certificate(certificate).subject.rfc4514_string()
        return await self._catalogue.read(lambda connection: find_user(connection, subject))

    async def _handle(self, channel: Channel) -> None:
        certificate = channel.client_certificate or b""  # never: admission has seen one
        user = await self._find(certificate)
        if user is None:
            return
        parsed = x509.load_der_x509_certificate(certificate)
        session = Session(
            user,
            user.name,
            user.home,
            parsed.subject.rfc4514_string(),
            parsed.not_valid_after_utc.timestamp(),
            channel.source,
        )
        self._channels.add(channel)
        log.info("session user=%s source=%s", user.name, channel.source)
        try:
            with contextlib.suppress(ConnectionFailed):
                await converse(self._grid, session, channel)
        finally:
            self._channels.discard(channel)


def _ensure_host(authority: Authority) -> tuple[str, str]:
    """The paths of the server's own certificate and key; they are made if they are not there."""
    certificate, key = os.path.join(authority.folder, "host.pem"), os.path.join(authority.folder, "host.key")
    if not (os.path.exists(certificate) and os.path.exists(key)):
        pair = authority.issue_host(["localhost", "127.0.0.1", "::1"])
        write_atomically(key, pair[1], mode=0o400)
        write_atomically(certificate, pair[0], mode=0o644)
    return certificate, key
