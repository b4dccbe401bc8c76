"""What is kept of millions of letters is looked up, never read through."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from headless.inventory.collect.kept import Fate, Kept, Record
from headless.inventory.collect.spool import Arrived, Letter


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    with closing(Kept(str(tmp_path / "envelopes.db"))) as opened:
        yield opened


def keep(kept: Kept, fate: Fate, *times: int) -> None:
    kept.keep([Record(Letter(Arrived(time), f"{fate} {time}".encode()), fate, "", "") for time in times])


def test_the_letters_of_a_fate_are_listed_from_either_end_and_since_a_time(kept: Kept) -> None:
    keep(kept, Fate.STORED, 1, 2)
    keep(kept, Fate.REFUSED, 30, 10, 20)
    keep(kept, Fate.HELD, 15)
    list_times = {
        name: [item.received for item in found]
        for name, found in {
            "all": kept.list_by_fate(Fate.REFUSED),
            "first": kept.list_by_fate(Fate.REFUSED, limit=2),
            "newest": kept.list_newest(Fate.REFUSED, limit=2),
            "since": kept.list_newest(Fate.REFUSED, since=20),
            "held": kept.list_newest(Fate.HELD),
        }.items()
    }
    assert list_times == {
        "all": [10, 20, 30], "first": [10, 20], "newest": [20, 30], "since": [20, 30], "held": [15],
    }  # fmt: skip


def test_the_stored_are_not_read_to_find_the_others(kept: Kept, tmp_path: Path) -> None:
    """Two weeks of half a million hosts are seven million letters, and the worker looks each second."""
    said: list[str] = []
    kept._connection.set_trace_callback(said.append)
    kept.list_by_fate(Fate.AGAIN)
    kept.list_newest(Fate.REFUSED)
    with closing(sqlite3.connect(tmp_path / "envelopes.db")) as connection:
        plans = [connection.execute(f"explain query plan {text}").fetchall() for text in said]
    told = [row[3] for plan in plans for row in plan]
    assert len(plans) == 2 and not [line for line in told if line.startswith("SCAN") or "TEMP B-TREE" in line]


def test_the_index_of_before_is_replaced(kept: Kept, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "envelopes.db")) as connection:
        connection.executescript(
            "drop index letters_not_stored;"
            "create index letters_by_fate on letters (fate) where fate in ('held', 'accepted', 'again')"
        )
    keep(kept, Fate.HELD, 1)
    with closing(Kept(str(tmp_path / "envelopes.db"))) as opened:
        assert [item.received for item in opened.list_by_fate(Fate.HELD)] == [1]
        names = opened._connection.execute("select name from sqlite_master where type = 'index' and sql is not null")
        assert sorted(name for (name,) in names) == ["letters_by_received", "letters_not_stored"]


def test_a_second_one_in_the_process_takes_no_locks_away(kept: Kept, tmp_path: Path) -> None:
    """Else whoever else closes the file takes himself for the last, and removes what is not in it yet."""
    keep(kept, Fate.HELD, 1)
    look = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('select 1 from tries').fetchall(); c.close()"
    )
    with closing(Kept(str(tmp_path / "envelopes.db"))) as second:
        subprocess.run([sys.executable, "-c", look, str(tmp_path / "envelopes.db")], check=True)
        keep(kept, Fate.HELD, 2)
        assert (tmp_path / "envelopes.db-wal").exists()
        assert second.count_held() == 2
