"""A collector's parts, opened and closed together."""

import fcntl
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.engine import make_url

from headless.database.backends import check_url
from headless.database.database import LOCK_PATIENCE_S
from headless.errors import ParameterError, Skipped, Unavailable
from headless.inventory.collect.kept import Kept
from headless.inventory.collect.remembered import remember
from headless.inventory.collect.schema import hosts
from headless.inventory.collect.settings import CollectorSettings
from headless.inventory.collect.spool import Spool
from headless.inventory.collect.store import Store
from headless.inventory.collect.worker import Worker

if sys.platform == "win32":
    raise ImportError("the collector runs on POSIX systems only")

__all__ = ["Collector", "check_state", "explain_loss", "find_database", "make_state", "open_collector"]

CLOSE_S = 10.0
"""For which the database is waited for at the end: what it has not stored is in the spool."""
INVENTORY = "inventory.db"  # in the state folder, unless it is elsewhere


@dataclass(frozen=True)
class Collector:
    """A collector that this process runs."""

    settings: CollectorSettings
    store: Store
    spool: Spool
    kept: Kept
    worker: Worker


def check_state(settings: CollectorSettings) -> None:
    """Make sure that a collector has been at work in the state folder: a command must not begin one by a slip.

    Raises:
        ParameterError: none has, or it cannot be looked at.
    """
    try:
        names = os.listdir(settings.state)
    except (FileNotFoundError, NotADirectoryError):
        names = []
    except OSError as exc:
        raise ParameterError(f"the state folder {settings.state} cannot be read: {exc.strerror}") from exc
    if not {os.path.basename(settings.lock), INVENTORY}.intersection(names):
        advice = "see --state and --config; headless inventory serve makes one"
        raise ParameterError(f"{settings.state} is no collector's state folder: {advice}")


def make_state(settings: CollectorSettings) -> None:
    """Make the state folder if it is not there.

    Raises:
        ParameterError: it cannot be.
    """
    try:
        os.makedirs(settings.state, mode=0o700, exist_ok=True)
    except OSError as exc:
        raise ParameterError(f"the state folder {settings.state} cannot be made: {exc.strerror}") from exc


@asynccontextmanager
async def open_collector(settings: CollectorSettings, wait_s: float = LOCK_PATIENCE_S) -> AsyncIterator[Collector]:
    """Open a collector; nobody else can while the block runs.

    Args:
        settings: of it.
        wait_s: for which the lock of the database is waited for, and all that runs beside with it.

    Raises:
        Skipped: another process runs it.
        Held: another collector writes its database, or one that is no more has not been noticed to be gone.
        ParameterError: the state folder, the database or a key is of no use.
    """
    make_state(settings)
    async with AsyncExitStack() as stack:
        _lock(settings.lock, stack)
        _check_database(settings)
        remember(settings)
        kept = Kept(settings.kept)
        stack.callback(kept.close)
        spool = Spool(settings.spool, settings.max_spool)
        stack.push_async_callback(spool.close)
        store = Store.open(settings.database, settings.state, wait_s)
        stack.push_async_callback(store.close, CLOSE_S)
        worker = Worker(settings, store, spool, kept)
        stack.callback(worker.close)
        yield Collector(settings, store, spool, kept, worker)


async def explain_loss(collector: Collector) -> str:
    """What to do about an inventory that is lost, while what it was made of is kept; empty if it is not."""
    try:
        has_host = await collector.store.read(
            lambda connection: connection.execute(select(hosts.c.id).limit(1)).first()
        )
    except Unavailable:
        return ""  # the database has just gone; the worker tells of that
    count = 0 if has_host else collector.kept.count_stored()
    return (
        f"the inventory has no host, and {count} reports are kept that were stored: if its database is lost, restore"
        " it from a backup, or make it anew of what is kept: headless inventory reprocess"
        if count
        else ""
    )


def find_database(settings: CollectorSettings) -> str:
    """The URL of the database of a state folder, without its password; empty if it is within, or none is known."""
    if settings.database:
        return _strip_password(settings.database)
    try:
        with open(os.path.join(settings.state, "database"), encoding="utf-8") as file:
            found = file.read().strip()
    except OSError:
        return ""
    return "" if found == INVENTORY else found


def _strip_password(url: str) -> str:
    return make_url(url).set(password=None).render_as_string()


def _check_database(settings: CollectorSettings) -> None:
    """Remember which database a state folder goes with: a command without the settings must not begin another."""
    path = os.path.join(settings.state, "database")
    database = INVENTORY
    if settings.database:
        check_url(settings.database, "database", Store.schema.backends)
        database = _strip_password(settings.database)
    try:
        with open(path, "a+", encoding="utf-8") as file:
            file.seek(0)
            before = file.read().strip()
            if not before:
                file.write(f"{database}\n")
    except OSError as exc:
        raise ParameterError(f"{path} cannot be written: {exc.strerror}") from exc
    if before and before != database:
        raise ParameterError(
            f"the inventory of {settings.state} is in {before}, and not in {database}: give the collector's settings"
            f" with --config, or remove {path} if it has moved"
        )


def _lock(path: str, stack: AsyncExitStack) -> None:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise ParameterError(f"{path} cannot be written: {exc.strerror}") from exc
    stack.callback(os.close, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        raise Skipped("another process runs this collector") from exc
