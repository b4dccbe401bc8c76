"""What was processed: the bodies as they came, for as long as they are kept, and what became of each.

A body is kept once, however often it came. An SQLite file of the collector's own beside the inventory, whichever
database that is in, so that the commands can look at it and decide while the collector runs.
"""

import json
import os
import sqlite3
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from enum import StrEnum

from headless.errors import ParameterError, Unavailable
from headless.inventory.collect.arrival import Outcome
from headless.inventory.collect.spool import Arrived, Letter
from headless.inventory.package import Package

if sys.platform == "win32":
    raise ImportError("the collector runs on POSIX systems only")

__all__ = ["Fate", "Item", "Kept", "Record"]

LOCK_LIMIT_S = 10.0  # for which another process may write
DER = b"\x30"  # the first byte of an envelope
SLICE = 1000  # rows forgotten at a time
OUTCOMES = frozenset(map(str, Outcome))
# Its first words are the index's: without them SQLite would read millions of letters.
OF_FATE = "fate <> 'stored' and fate = ?"

SCHEMA = """
create table if not exists bodies (digest blob primary key, body blob not null, is_deflated integer not null);
create table if not exists letters (
    id integer primary key,
    digest blob not null,
    received integer not null,
    how text not null,
    fate text not null,
    reason text not null,
    host text not null,
    unique (digest, received)
);
create table if not exists gone (id integer primary key, packages text not null);
create table if not exists tries (
    digest blob not null, received integer not null, count integer not null, primary key (digest, received)
);
create table if not exists orders (id integer primary key autoincrement, content text not null, answer text);
create index if not exists letters_by_received on letters (received);
drop index if exists letters_by_fate;
create index if not exists letters_not_stored on letters (fate, received) where fate <> 'stored';
"""


class Fate(StrEnum):
    """What became of a letter."""

    STORED = "stored"
    HELD = "held"
    """It waits for somebody to accept or refuse it."""
    REFUSED = "refused"
    ACCEPTED = "accepted"
    """Somebody has accepted it; it is stored next."""
    AGAIN = "again"
    """It is to be processed once more."""


@dataclass(frozen=True, slots=True)
class Record:
    """What is to be kept of a letter.

    Attributes:
        reason: why it was held or refused, or what became of the report.
        gone: what its host had before, and is not in it, where that is why it is held.
        site: of the host; empty as long as it is not known.
        tries: how often a process has ended while it opened it, where that is why it is held.
    """

    letter: Letter
    fate: Fate
    reason: str
    host: str
    gone: tuple[Package, ...] = ()
    site: str = ""
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Item:
    """What is kept of a letter, without its body.

    Attributes:
        tries: how often a process has ended while it opened it.
        token, certificate: of who sent it; empty if it gave none.
    """

    id: int
    received: int
    fate: Fate
    reason: str
    host: str
    feed: str
    address: str
    site: str
    tries: int
    token: str
    certificate: str

    @property
    def was_stored(self) -> bool:
        """Whether it is in the inventory, though it is to be processed again: its reason is still what became of it."""
        return self.reason in OUTCOMES


def _make_file(path: str) -> None:
    """Make the file if it is not there, for its owner alone.

    One that is there is not even opened: closing it would take away all locks that this process has on it, if it is
    open a second time here (https://sqlite.org/howtocorrupt.html, 2.2).
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


class Kept:
    """The kept letters. For one thread at a time."""

    def __init__(self, path: str) -> None:
        """Args:
        path: the file; made if it is not there.

        Raises:
            ParameterError: it is of no use.
        """
        try:
            _make_file(path)
            self._connection = sqlite3.connect(
                path, timeout=LOCK_LIMIT_S, isolation_level=None, check_same_thread=False
            )
            for pragma in ("journal_mode = WAL", "synchronous = FULL"):
                self._connection.execute(f"pragma {pragma}")
            self._connection.executescript(SCHEMA)
            self._add_site()
        except (OSError, sqlite3.Error) as exc:
            raise ParameterError(f"the kept envelopes {path} are of no use: {exc}") from exc

    def _add_site(self) -> None:
        """Files of before have no sites."""
        if not self._has_site():
            with self._write() as connection:
                if not self._has_site():  # another process may have been first
                    connection.execute("alter table letters add column site text not null default ''")

    def _has_site(self) -> bool:
        return any(row[1] == "site" for row in self._connection.execute("pragma table_info(letters)"))

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def keep(self, records: Iterable[Record]) -> None:
        """Keep letters, in place of what was kept of them before.

        Raises:
            Unavailable: the disk is full, or another process does not let go.
        """
        with self._write() as connection:
            for record in records:
                letter = record.letter
                is_plain = not letter.body.startswith(DER)  # what is sealed cannot be deflated
                body = (letter.digest, zlib.compress(letter.body, 6) if is_plain else letter.body, is_plain)
                connection.execute("insert or ignore into bodies values (?, ?, ?)", body)
                [number] = connection.execute(
                    "insert into letters (digest, received, how, fate, reason, host, site) values (?, ?, ?, ?, ?, ?, ?)"
                    " on conflict do update set fate = excluded.fate, reason = excluded.reason, host = excluded.host,"
                    " site = excluded.site"
                    " returning id",
                    (
                        letter.digest,
                        letter.how.received,
                        json.dumps(asdict(letter.how)),
                        record.fate,
                        record.reason,
                        record.host,
                        record.site,
                    ),
                ).fetchone()
                if record.gone:
                    connection.execute("insert or replace into gone values (?, ?)", (number, json.dumps(record.gone)))
                if record.tries:
                    tries = (letter.digest, letter.how.received, record.tries)
                    connection.execute("insert or replace into tries values (?, ?, ?)", tries)

    @contextmanager
    def mark(self, letters: Iterable[Letter]) -> Iterator[None]:
        """Note, for as long as the block runs, that these kept letters are being opened; see ``Spool.mark``.

        Raises:
            Unavailable: as :meth:`keep`.
        """
        keys = [(letter.digest, letter.how.received) for letter in letters]
        with self._write() as connection:
            note = "insert into tries values (?, ?, 1) on conflict do update set count = count + 1"
            connection.executemany(note, keys)
        try:
            yield
        finally:
            with self._write() as connection:
                this = "where digest = ? and received = ?"
                connection.executemany(f"update tries set count = count - 1 {this}", keys)  # noqa: S608  # our own words
                connection.executemany(f"delete from tries {this} and count = 0", keys)  # noqa: S608  # our own words

    def has_other(self, letter: Letter) -> bool:
        """Whether the same body has come at another time, and could be read.

        What was refused before its host was known may be sent again by another way, or to a key that is there now.
        """
        ask = (
            "select 1 from letters where digest = ? and received <> ? and not (fate = 'refused' and host = '') limit 1"
        )
        return self._connection.execute(ask, (letter.digest, letter.how.received)).fetchone() is not None

    def find(self, letter: Letter) -> Item | None:
        """What became of a letter; ``None``: it is not kept."""
        where = "digest = ? and received = ?"
        return next(self._list(where, (letter.digest, letter.how.received)), None)

    def list_by_fate(self, fate: Fate, *, limit: int = 1000) -> list[Item]:
        """The letters of one fate, but not those stored: the oldest, which come first."""
        return list(self._list(f"{OF_FATE} order by received, id limit ?", (fate, limit)))

    def list_newest(self, fate: Fate, *, since: int = 0, limit: int = 1000) -> list[Item]:
        """The letters of one fate, but not those stored: the newest that came since then, the oldest of them first."""
        newest = f"{OF_FATE} and received >= ? order by received desc, id desc limit ?"
        return list(self._list(newest, (fate, since, limit)))[::-1]

    def count_stored(self) -> int:
        """How many letters were stored."""
        ask = "select count(*) from letters where fate = 'stored'"
        return int(self._connection.execute(ask).fetchone()[0])

    def count_held(self) -> int:
        """How many letters wait for a review."""
        ask = f"select count(*) from letters where {OF_FATE}"  # noqa: S608  # our own words
        return int(self._connection.execute(ask, (Fate.HELD,)).fetchone()[0])

    def find_last_stored(self) -> int:
        """When the newest letter that was stored came; 0 if none is kept."""
        ask = "select received from letters where fate = 'stored' order by received desc limit 1"
        row = self._connection.execute(ask).fetchone()
        return int(row[0]) if row else 0

    def get(self, number: int) -> Item | None:
        """A letter by its id."""
        return next(self._list("id = ?", (number,)), None)

    def read(self, item: Item) -> Letter:
        """Read a letter as it came."""
        ask = "select how, body, is_deflated from letters join bodies using (digest) where id = ?"
        how, body, is_deflated = self._connection.execute(ask, (item.id,)).fetchone()
        return Letter(Arrived(**json.loads(how)), zlib.decompress(body) if is_deflated else body, replaces=True)

    def find_gone(self, number: int) -> list[Package]:
        """What is not in a letter that is held for that; nothing if that is not known."""
        row = self._connection.execute("select packages from gone where id = ?", (number,)).fetchone()
        return [Package(*fields) for fields in json.loads(row[0])] if row else []

    def decide(self, number: int, fate: Fate, reason: str) -> bool:
        """Decide on a letter that is held; ``False``: there is no such."""
        with self._write() as connection:
            change = "update letters set fate = ?, reason = ? where id = ? and fate = 'held'"
            return connection.execute(change, (fate, reason, number)).rowcount == 1

    def process_again(self, since: int) -> int:
        """Have all that was stored or refused since then processed once more; return how many."""
        with self._write() as connection:
            change = "update letters set fate = 'again' where received >= ? and fate in ('stored', 'refused')"
            return connection.execute(change, (since,)).rowcount

    def forget(self, before: int) -> int:
        """Remove what came before then, some of it; return how many letters."""
        with self._write() as connection:
            old = "select id from letters where received < ? limit ?"
            ask = f"delete from letters where id in ({old}) returning digest, received, id"  # noqa: S608  # our own words
            letters = connection.execute(ask, (before, SLICE)).fetchall()
            connection.executemany("delete from gone where id = ?", [row[2:] for row in letters])
            connection.executemany("delete from tries where digest = ? and received = ?", [row[:2] for row in letters])
            unused = "delete from bodies where digest = ? and not exists (select 1 from letters where digest = ?)"
            connection.executemany(unused, [(digest, digest) for digest, _, _ in letters])
        return len(letters)

    def give_order(self, content: str) -> int:
        """Leave an order for whoever runs the collector; return its number."""
        with self._write() as connection:
            number = connection.execute("insert into orders (content) values (?)", (content,)).lastrowid
        return number or 0

    def list_orders(self) -> list[tuple[int, str]]:
        """The orders that nobody has answered, by number, the oldest first."""
        return self._connection.execute("select id, content from orders where answer is null order by id").fetchall()

    def answer_order(self, number: int, answer: str) -> None:
        """Say what became of an order; nobody hears it if it was taken back meanwhile."""
        with self._write() as connection:
            connection.execute("update orders set answer = ? where id = ?", (answer, number))

    def find_answer(self, number: int) -> str | None:
        """What became of an order; ``None``: nothing yet."""
        row = self._connection.execute("select answer from orders where id = ?", (number,)).fetchone()
        return row[0] if row else None

    def end_order(self, number: int) -> None:
        """Take an order back, or have done with its answer."""
        with self._write() as connection:
            connection.execute("delete from orders where id = ?", (number,))

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        try:
            self._connection.execute("begin immediate")
            try:
                yield self._connection
                self._connection.execute("commit")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("rollback")
                raise
        except sqlite3.OperationalError as exc:
            raise Unavailable(f"the kept envelopes cannot be written: {exc}") from exc

    def _list(self, where: str, values: tuple[object, ...]) -> Iterator[Item]:
        columns = "id, received, fate, reason, host, how, coalesce(count, 0), site"
        ask = f"select {columns} from letters left join tries using (digest, received) where {where}"  # noqa: S608  # our own words
        with closing(self._connection.execute(ask, values)) as cursor:
            for number, received, fate, reason, host, how, tries, site in cursor:
                told = json.loads(how)
                sender = (told["feed"], told["address"], site, tries, told.get("token", ""), told.get("subject", ""))
                yield Item(number, received, Fate(fate), reason, host, *sender)
