"""rpm's database of the kind bdb, made by Berkeley DB's own tool of the headers that the real rpm has written."""

import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

from headless.inventory.gather import rpm, rpm_bdb
from headless.inventory.gather.rows import Unreadable
from headless.inventory.gather.rpm import parse_line, read_rpm
from headless.inventory.gather.rpm_bdb import read_bdb
from inventory_roots import make_rpms, run, turn_to_bdb

pytestmark = [pytest.mark.peer("rpm"), pytest.mark.peer("rpmbuild"), pytest.mark.peer("db5.3_load")]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A system with a few packages of rpm, of which one has a header of many pages."""
    folder = tmp_path_factory.mktemp("system")
    turn_to_bdb(make_rpms(folder, tmp_path_factory.mktemp("work")))
    return folder


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Path:
    """Such a system to be spoilt."""
    shutil.copytree(root, tmp_path / "copy")
    return tmp_path / "copy"


def test_it_is_read_as_rpm_reads_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = root / "var/lib/rpm"
    rows = sorted(read_bdb(str(database / "Packages")))
    shown = run("rpm", "--dbpath", str(database), "-qa", "--qf", rpm.FIELDS)
    assert rows == sorted(row for line in shown.splitlines() if (row := parse_line(line)))
    assert len(rows) == 4 and sorted(read_rpm(str(root))) == rows
    monkeypatch.setattr(rpm, "COMMANDS", ())
    assert sorted(read_rpm(str(root))) == rows


@pytest.mark.parametrize("size", [512, 4096, 65536])
@pytest.mark.parametrize("order", [1234, 4321])
def test_pages_of_all_sizes_and_both_orders_of_bytes(root: Path, tmp_path: Path, size: int, order: int) -> None:
    path = str(root / "var/lib/rpm/Packages")
    dump = subprocess.run(["db5.3_dump", path], capture_output=True, text=True, check=True).stdout
    head, end, rest = dump.partition("HEADER=END")
    kept = [line for line in head.splitlines() if not line.startswith(("db_pagesize", "db_lorder"))]
    kept += [f"db_pagesize={size}", f"db_lorder={order}"]
    other = tmp_path / "Packages"
    subprocess.run(["db5.3_load", other], input="\n".join(kept) + f"\n{end}{rest}", text=True, check=True)
    assert sorted(read_bdb(str(other))) == sorted(read_bdb(path))


@pytest.mark.parametrize("place", [12, 20, 4096 + 20, 4096 + 26, 4096 * 2 + 22, 4096 * 3 + 25])
def test_a_damaged_one_is_told_or_is_whole(copy: Path, place: int) -> None:
    path = copy / "var/lib/rpm/Packages"
    expected = sorted(read_bdb(str(path)))
    data = bytearray(path.read_bytes())
    data[place : place + 4] = b"\xff" * 4
    path.write_bytes(data)
    try:
        assert sorted(read_bdb(str(path))) == expected
    except Unreadable as exc:
        assert str(path) in str(exc)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9])
def test_one_that_is_cut_short_is_told(copy: Path, share: float) -> None:
    path = copy / "var/lib/rpm/Packages"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(Unreadable, match=r"Packages: (damaged|no hash table)"):
        read_bdb(str(path))


def test_what_is_none_and_the_kind_that_only_rpm_reads(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = copy / "var/lib/rpm"
    sqlite3.connect(database / "other").execute("CREATE TABLE a (b)").connection.close()
    with pytest.raises(Unreadable, match="no hash table of Berkeley DB"):
        read_bdb(str(database / "other"))
    monkeypatch.setattr(rpm, "COMMANDS", ())
    (database / "Packages").rename(database / "Packages.db")
    with pytest.raises(Unreadable, match="of the kind ndb, which the command rpm alone can read"):
        read_rpm(str(copy))


@pytest.mark.parametrize("name", ["Packages", "Packages.db"])
def test_an_rpm_that_cannot_read_it_hides_nothing_and_makes_nothing(tmp_path: Path, name: str) -> None:
    """Debian's rpm knows no ndb: left to itself, it makes an empty database beside it, and lists what is in that."""
    database = tmp_path / "var/lib/rpm"
    database.mkdir(parents=True)
    (database / name).write_bytes(b"\xa5" * 40_000)
    with pytest.raises(Unreadable, match=f"{name}: .*; /usr/bin/rpm (says|lists nothing)"):
        read_rpm(str(tmp_path))
    assert [path.name for path in database.iterdir() if not path.name.startswith(".")] == [name]


def test_one_that_is_written_to_is_read_again(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = copy / "var/lib/rpm/Packages"
    expected = read_bdb(str(path))
    monkeypatch.setattr(rpm_bdb, "PAUSE_S", 0)
    reads: list[bytes] = []

    def read_and_write(name: str) -> bytes:
        data = path.read_bytes()
        reads.append(data)
        if len(reads) != 3:
            os.utime(path, (len(reads), len(reads)))
        return data

    monkeypatch.setattr(rpm_bdb, "read", read_and_write)
    assert read_bdb(str(path)) == expected and len(reads) == 3
    with pytest.raises(Unreadable, match="being written"):
        read_bdb(str(path))
