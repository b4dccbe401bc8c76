"""The one writer's lock on PostgreSQL and MariaDB: a session's, which ends once the server knows that nobody is there.

On SQLite every transaction that writes takes the file's own lock instead.
"""

import contextlib
import time
from collections.abc import Callable

import sqlalchemy
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from headless.errors import Held

__all__ = ["BEATS_S", "LOCK_WAIT_S", "await_lock", "tell_alive", "try_lock"]

LOCK_WAIT_S = 75.0
"""For which a start waits: longer than servers keep the session of a lost host, and shorter than systemd waits."""
LOCK_PAUSE_S = 0.1
SILENCE_S = 60
"""After which MariaDB takes a writer that says nothing for gone: it has no keepalive that a session could ask for."""
BEATS_S = {"mysql": 15.0}
"""After how long a silence the holder of the lock says something, where it must (:func:`tell_alive`)."""

TAKE = {
    "postgresql": "select pg_try_advisory_lock(:number)",
    # Its locks are the server's, by a name of 64 characters at most; ours is one database's.
    "mysql": "select get_lock(concat('headless.', :number, '.', md5(database())), 0)",
}
FIND = {
    "postgresql": "select a.pid, case when a.client_port < 0 then 'its own host' else host(a.client_addr) end"
    " from pg_locks l join pg_stat_activity a using (pid)"
    " where l.locktype = 'advisory' and l.granted and l.classid = 0 and l.objid = :number and l.objsubid = 1"
    " and l.database = (select oid from pg_database where datname = current_database())",
    "mysql": "select id, substring_index(host, ':', 1) from information_schema.processlist"
    " where id = is_used_lock(concat('headless.', :number, '.', md5(database())))",
}


def try_lock(connection: Connection, number: int) -> bool:
    """Take the lock, which the connection then holds until it ends; whether it was to be had."""
    name = connection.engine.dialect.name
    if name not in TAKE:
        return True
    if not connection.execute(sqlalchemy.text(TAKE[name]), {"number": number}).scalar_one():
        return False
    if name == "mysql":
        connection.exec_driver_sql(f"set session wait_timeout = {SILENCE_S}")
    return True


def await_lock(connection: Connection, number: int, limit_s: float, tell: Callable[[str], None]) -> None:
    """Take the lock, waiting for it.

    Args:
        connection: which then holds it until it ends.
        number: the schema's.
        limit_s: for which it is waited for.
        tell: is told who holds it, once, if it is not to be had at once.

    Raises:
        Held: another session had it all the while.
    """
    until, is_told = time.monotonic() + limit_s, False
    while not try_lock(connection, number):
        if time.monotonic() >= until:
            raise Held(f"it is in use by another server{_find_holder(connection, number)}")
        if not is_told:
            tell(_find_holder(connection, number))
        is_told = True
        time.sleep(LOCK_PAUSE_S)


def tell_alive(connection: Connection) -> None:
    """Have the server know that the holder of the lock is there.

    Raises:
        SQLAlchemyError: the server is not, or has ended the session.
    """
    with connection.begin():
        connection.exec_driver_sql("select 1")


def _find_holder(connection: Connection, number: int) -> str:
    """The session by which its administrator finds it, and ends it; empty if it may not be seen."""
    with contextlib.suppress(SQLAlchemyError):
        found = connection.execute(sqlalchemy.text(FIND[connection.engine.dialect.name]), {"number": number}).first()
        if found:
            return f" (session {found[0]}{f' from {found[1]}' if found[1] else ''})"
    return ""
