"""The databases that can be used, and how each is connected to."""

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

import sqlalchemy
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError

from headless.database.links import Links
from headless.errors import ParameterError
from headless.extras import tell_install

__all__ = ["build_engine", "check_url", "is_passing"]

LOCK_LIMIT_S = 5.0  # for which another program may hold the database

# A host that vanishes must not hold the writer for as long as TCP would, two hours: it is gone after 30 s without an
# answer, three of them asked for (libpq, connection parameters). Nor may its session hold the lock for as long: so the
# server is told the same of us (PostgreSQL, connections and authentication).
POSTGRES_LIMITS = {
    "connect_timeout": 5,
    "tcp_user_timeout": 30_000,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "options": "-c statement_timeout=30s -c lock_timeout=10s -c tcp_user_timeout=30s -c tcp_keepalives_idle=15"
    " -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3",
}
MYSQL_LIMITS = {"connect_timeout": 5, "read_timeout": 40, "write_timeout": 40, "charset": "utf8mb4"}
GREETING_S = 10
# Too long a text is an error, as elsewhere, and not cut; a quote is a quote.
MYSQL_SESSION = "set session sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', innodb_lock_wait_timeout = 10"
STATEMENT_LIMIT_S = 30
CUT = "nobody waits for the database any more"
READ_ONLY = "25006"  # what PostgreSQL calls it: a server that has come back, but not as the first of its kind

DRIVERS = {
    "postgresql": ("postgresql", "psycopg", "postgresql://user@host/database"),
    "mysql": ("mysql", "pymysql", "mysql://user@host/database"),
    "mariadb": ("mysql", "pymysql", "mysql://user@host/database"),
}
EXTRAS = {"psycopg": "postgresql", "pymysql": "inventory"}


def check_url(url: str, setting: str, known: Collection[str] = ("postgresql",)) -> URL:
    """Read a setting that names a database.

    Args:
        url: the setting's value.
        setting: its name.
        known: the databases that its schema is made for: "postgresql", "mysql".

    Raises:
        ParameterError: it is no URL of a database that can be used here.
    """
    examples = " or ".join(DRIVERS[name][2] for name in known)
    try:
        parsed = make_url(url)
    except (ArgumentError, NoSuchModuleError, ValueError) as exc:
        raise ParameterError(f"setting '{setting}' is a URL like {examples}") from exc
    given = parsed.drivername.partition("+")[0]
    name, driver, _ = DRIVERS.get(given, ("", "", ""))
    if name not in known:
        schemes = " or ".join(f"{scheme}://..." for scheme in known)
        raise ParameterError(f"setting '{setting}': {given!r} is not known: use {schemes}")
    try:
        __import__(driver)
    except ImportError as exc:
        raise ParameterError(f"setting '{setting}': install the driver: {tell_install(EXTRAS[driver])}") from exc
    return parsed.set(drivername=f"{name}+{driver}")


def build_engine(url: URL, links: Links | None = None) -> Engine:
    """Prepare connections to a database; none is made yet.

    Args:
        url: of it.
        links: are told of its connections, of SQLite's not.
    """
    name = url.get_backend_name()
    links = links or Links()
    if name == "postgresql":
        engine = sqlalchemy.create_engine(url, pool_pre_ping=True, connect_args=POSTGRES_LIMITS)
        event.listen(engine, "do_connect", partial(_connect_postgresql, links))
        return engine
    if name == "mysql":
        # Repeatable reads, the default, would show the writer what it was told before it waited for its turn.
        engine = sqlalchemy.create_engine(
            url, pool_pre_ping=True, isolation_level="READ COMMITTED", connect_args=MYSQL_LIMITS
        )
        event.listen(engine, "do_connect", partial(_connect_mysql, links))
        event.listen(engine, "connect", _prepare_mysql)
        return engine
    engine = sqlalchemy.create_engine(url, connect_args={"timeout": LOCK_LIMIT_S, "check_same_thread": False})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def is_passing(error: BaseException | None) -> bool:
    """Whether a database is away, starting, or does not take anything at present, rather than of no use."""
    if isinstance(error, OperationalError):
        return True
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", "") == READ_ONLY


def _connect_postgresql(
    links: Links, _: object, __: object, arguments: Sequence[Any], options: Mapping[str, Any]
) -> Any:
    from psycopg import OperationalError as Gone

    from headless.database.patience import PatientConnection

    if links.is_cut:
        raise Gone(CUT)
    connection = PatientConnection.connect(*arguments, **options)
    links.add(connection)
    return connection


def _connect_mysql(links: Links, _: object, __: object, arguments: Sequence[Any], options: Mapping[str, Any]) -> Any:
    import pymysql

    if links.is_cut:
        raise pymysql.OperationalError(CUT)
    # One that says nothing at all is given up sooner than an answer is; PyMySQL has one limit for both.
    connection: Any = pymysql.Connection(*arguments, **{**options, "read_timeout": GREETING_S}, defer_connect=True)
    links.add(connection)
    connection.connect()
    connection._read_timeout = options["read_timeout"]
    return connection


def _prepare_mysql(connection: Any, _: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(MYSQL_SESSION)
        if "MariaDB" in connection.get_server_info():
            cursor.execute(f"set session max_statement_time = {STATEMENT_LIMIT_S}")
        else:
            cursor.execute(f"set session max_execution_time = {STATEMENT_LIMIT_S * 1000}")


def _prepare_sqlite(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # the driver's own idea of transactions knows no savepoints
    for pragma in ("journal_mode = WAL", "synchronous = FULL"):
        connection.execute(f"pragma {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A writer says so at once: one that finds out later that it is none cannot wait for its turn. Readers see the
    # state as of their first query either way.
    connection.exec_driver_sql("begin" if connection.get_execution_options().get("reads") else "begin immediate")
