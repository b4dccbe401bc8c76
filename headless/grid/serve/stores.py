"""The storages that a grid knows: their rows, and those of its own that run beside it."""

import asyncio
import contextlib
import json
import logging
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import urlsplit

from sqlalchemy import Connection, Row, func, select

from headless.errors import ParameterError
from headless.grid.serve.catalogue import Catalogue
from headless.grid.serve.envelopes import Envelopes
from headless.grid.serve.schema import storages
from headless.grid.serve.storage import StorageServer
from headless.grid.serve.storage_identity import (
    check_identity,
    count_files,
    has_files,
    is_empty,
    is_known,
    look_again,
)

if sys.platform == "win32":
    raise ImportError("a grid of one's own runs on POSIX systems only")

__all__ = ["Store", "Stores", "check_name", "is_url", "list_stores", "parse_storage", "put_store"]

NAME = re.compile(r"[A-Za-z0-9_-]+::[A-Za-z0-9_-]+::[A-Za-z0-9_-]+")
PROBE_S = 2.0  # in which a storage takes a connection, or counts as away
FRESH_S = 2.0  # for which an answer to that holds

log = logging.getLogger("headless.grid.storage")


@dataclass(frozen=True)
class Store:
    """A storage.

    Attributes:
        name: VO::SITE::NAME.
        number: as JAliEn counts them.
        url: ``root://HOST:PORT``.
        qos: the classes that it offers.
        folder: where its files are, if it is this process's own; empty of others.
        identity: of that folder, while its disk is there: device and inode.
    """

    name: str
    number: int
    url: str
    qos: tuple[str, ...]
    folder: str = ""
    identity: tuple[int, int] = (0, 0)

    @property
    def site(self) -> str:
        """The middle part of its name."""
        return self.name.split("::")[1]

    def locate(self, path: str) -> str:
        """The URL of a file here, by its path."""
        return f"{self.url}/{path}"


def parse_storage(text: str, number: int) -> tuple[str, str]:
    """Read ``[NAME=]FOLDER`` or ``NAME=root://HOST:PORT``: a storage's name, and its folder or URL.

    Args:
        text: as given.
        number: makes the name, if none is given.

    Raises:
        ParameterError: the name is none.
    """
    name, sign, folder = text.partition("=")
    if not sign:
        name, folder = f"LOCAL::SITE::SE{number}", text
    check_name(name)
    if not folder or (is_url(folder) and not (sign and _has_host(folder))):
        raise ParameterError(f"storage {name}: give its folder or URL, NAME=FOLDER or NAME=root://HOST:PORT")
    return name, folder


def is_url(place: str) -> bool:
    """Whether a storage runs elsewhere."""
    return place.startswith("root://")


def _has_host(url: str) -> bool:
    try:
        place = urlsplit(url)
        return bool(place.hostname) and place.port != 0 and not (place.path or place.query or place.username)
    except ValueError:
        return False


def check_name(name: str) -> None:
    """Refuse what is no storage's name.

    Raises:
        ParameterError: see there.
    """
    if not NAME.fullmatch(name) or len(name) > 64:
        raise ParameterError(f"{name!r} is no name of a storage: give VO::SITE::NAME of letters, digits, _ and -")


def put_store(connection: Connection, name: str, url: str, qos: Sequence[str]) -> None:
    """Add a storage; one of this name is moved to the new URL, with all its files."""
    if connection.execute(select(storages.c.name).where(storages.c.name == name)).first() is not None:
        values = {"url": url, "qos": json.dumps(list(qos))}
        connection.execute(storages.update().where(storages.c.name == name).values(values))
        return
    number = connection.execute(select(func.coalesce(func.max(storages.c.number), 0) + 1)).scalar_one()
    connection.execute(storages.insert().values(name=name, number=number, url=url, qos=json.dumps(list(qos))))


def list_stores(connection: Connection) -> list[Store]:
    """All storages, by number."""
    return [_read(row) for row in connection.execute(select(storages).order_by(storages.c.number))]


def _read(row: Row[*tuple[object, ...]]) -> Store:
    values = row._mapping
    return Store(values["name"], values["number"], values["url"], tuple(json.loads(values["qos"])))


class Stores:
    """The storages of a running grid."""

    def __init__(self, catalogue: Catalogue, envelopes: Envelopes) -> None:
        """Nothing runs yet."""
        self._catalogue = catalogue
        self._envelopes = envelopes
        self._servers: list[StorageServer] = []
        self._known: list[Store] | None = None  # nobody else writes them
        self._probes: dict[str, tuple[float, bool]] = {}

    async def start(self, folders: Sequence[tuple[str, str]], host: str, first_port: int) -> None:
        """Start our own, each where it was the last time, and write down where they are.

        Args:
            folders: names and folders; or URLs, of those that run elsewhere.
            host: that clients reach them at.
            first_port: of the first, those of the others follow; 0 for any.

        Raises:
            ParameterError: one does not start, or is not what it was; those before it are stopped again.
        """
        known = await self._catalogue.read(list_stores)
        before = {store.name: urlsplit(store.url).port or 0 for store in known}
        for name, folder in filter(lambda pair: not is_url(pair[1]), folders):
            await self._check(name, folder)
        try:
            for name, url in filter(lambda pair: is_url(pair[1]), folders):
                await self._register(name, url)
            for count, (name, folder) in enumerate(pair for pair in folders if not is_url(pair[1])):
                port = first_port + count if first_port else before.get(name, 0)
                server = StorageServer(
                    name, folder, port, self._envelopes.derive_key_text(name),
                    partial(self._check, name, folder), partial(self._take_back, name, host),
                )  # fmt: skip
                self._servers.append(server)
                await server.start()
                await self._register(name, f"root://{host}:{server.port}")
        except BaseException:
            await self.stop()
            raise
        await self._tell_left_out({name for name, _ in folders})

    async def _take_back(self, name: str, host: str) -> None:
        """A storage of ours runs again. What was found missing there may have been away with its disk."""
        (server,) = (server for server in self._servers if server.name == name)
        await self._register(name, f"root://{host}:{server.port}")
        await self._catalogue.write(lambda connection: look_again(connection, name))
        self._probes.clear()

    async def _check(self, name: str, folder: str) -> None:
        files = await self._count_files(name) if is_empty(folder) else 0
        check_identity(name, folder, self._envelopes.derive_key_text(name), files)
        if not await self._catalogue.read(lambda connection: is_known(connection, name)) and has_files(folder):
            reason = "it holds files, and the catalogue knows none of them: is that the right one?"
            log.error("storage-unknown name=%s folder=%s reason=%r", name, folder, reason)

    async def _count_files(self, name: str) -> int:
        return await self._catalogue.read(lambda connection: count_files(connection, name))

    async def _tell_left_out(self, given: set[str]) -> None:
        """Storages that the catalogue knows, and that nobody has asked for: those that run elsewhere may do so yet."""
        known = await self.list_all()
        ours = {store.url for store in known if store.name in given}
        for store in known:
            if store.name in given or (store.url not in ours and await self.list_up([store])):
                continue
            if files := await self._count_files(store.name):
                log.error(
                    "storage-left-out name=%s files=%d reason='away, and no --with-storage says where'",
                    store.name,
                    files,
                )

    async def _register(self, name: str, url: str) -> None:
        await self._catalogue.write(lambda connection: put_store(connection, name, url, ["disk"]))
        self._known = None

    async def stop(self) -> None:
        """End our own."""
        servers, self._servers = self._servers, []
        await asyncio.gather(*(server.stop() for server in servers))

    async def list_all(self) -> list[Store]:
        """All storages, by number."""
        if self._known is None:
            ours = {server.name: server for server in self._servers}
            stores = await self._catalogue.read(list_stores)
            self._known = [_place(store, ours.get(store.name)) for store in stores]
        return self._known

    async def list_up(self, stores: Sequence[Store]) -> list[Store]:
        """Those that take connections just now, in the same order."""
        since = time.monotonic() - FRESH_S
        stale = [store.url for store in stores if self._probes.get(store.url, (0.0, False))[0] < since]
        if stale:
            await asyncio.gather(*map(self._probe, stale))
        away = {server.name for server in self._servers if server.is_away}
        return [store for store in stores if self._probes[store.url][1] and store.name not in away]

    async def list_writable(self) -> list[Store]:
        """Those of them all that take files just now, as far as is known here."""
        read_only = {server.name for server in self._servers if server.is_read_only}
        return [store for store in await self.list_up(await self.list_all()) if store.name not in read_only]

    def list_with_room(self, stores: Sequence[Store], size: int) -> list[Store]:
        """Those of which nobody knows that so many bytes have no room there; in the same order."""
        full = {server.name for server in self._servers if server.disk.room < size}
        return [store for store in stores if store.name not in full]

    async def confirm(self, name: str) -> bool:
        """Whether a storage's disk is there at this very moment, if it is one of ours.

        A storage whose disk has just gone has none of its files, and says so: nobody may act on that.
        """
        server = next((server for server in self._servers if server.name == name), None)
        return server is None or not (server.is_away or await server.disk.look())

    async def _probe(self, url: str) -> None:
        is_up = await _probe(url)
        self._probes[url] = (time.monotonic(), is_up)


def _place(store: Store, server: StorageServer | None) -> Store:
    return replace(store, folder=server.folder.data, identity=server.disk.identity) if server else store


async def _probe(url: str) -> bool:
    place = urlsplit(url)
    with contextlib.suppress(OSError):  # TimeoutError is one
        _, writer = await asyncio.wait_for(asyncio.open_connection(place.hostname, place.port or 1094), PROBE_S)
        writer.close()
        return True
    return False
