"""rpm's database read directly, beside what the real rpm says of it."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from headless.inventory.gather import rpm, rpm_header, rpm_sqlite
from headless.inventory.gather.everything import gather
from headless.inventory.gather.rows import NoSource, Unreadable
from headless.inventory.gather.rpm import read_rpm
from headless.inventory.gather.rpm_sqlite import read_database
from inventory_roots import make_rpms, run

pytestmark = [pytest.mark.peer("rpm"), pytest.mark.peer("rpmbuild")]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A system with a few packages of rpm."""
    folder = tmp_path_factory.mktemp("system")
    make_rpms(folder, tmp_path_factory.mktemp("work"))
    return folder


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Path:
    """Such a system to be spoilt."""
    shutil.copytree(root, tmp_path / "copy")
    return tmp_path / "copy"


def test_the_database_is_read_as_rpm_reads_it(root: Path) -> None:
    shown = run("rpm", "--dbpath", str(root / "var/lib/rpm"), "-qa", "--qf", rpm.FIELDS)
    expected = [row for line in shown.splitlines() if (row := rpm.parse_line(line))]
    assert sorted(read_rpm(str(root))) == sorted(expected)
    versions = sorted((row[1], row[2]) for row in expected)
    assert versions == [
        ("bind-libs", "32:9.16.23-18.el9"),
        ("kernel", "0:5.14.0-427.el9"),
        ("kernel", "0:5.14.0-503.el9"),
        ("odd", "0:1.0~rc1^git5-1"),
    ]


def test_of_a_red_hat_the_system_is_its_release_file(root: Path) -> None:
    assert gather(str(root), "a").facts["system"] == "AlmaLinux release 9.4 (Seafoam Ocelot)"


def test_the_command_reads_what_cannot_be_read_directly(
    root: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = sorted(read_rpm(str(root)))
    monkeypatch.setattr(rpm_header, "NAME", 1)  # as if the headers were of a form that is not known yet
    assert sorted(read_rpm(str(copy))) == expected


def test_a_locked_database_is_said_to_be_locked(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpm_sqlite, "BUSY_S", 0.1)
    path = copy / "var/lib/rpm/rpmdb.sqlite"
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("PRAGMA journal_mode=DELETE")
    holder.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(Unreadable, match="locked"):
            read_database(str(path))
    finally:
        holder.close()
    assert len(read_database(str(path))) == 4


@pytest.mark.parametrize("place", [0, 40, 4096, 12000])
def test_a_damaged_database_is_missing_with_its_reason_and_hides_no_other_source(copy: Path, place: int) -> None:
    path = copy / "var/lib/rpm/rpmdb.sqlite"
    data = bytearray(path.read_bytes())
    data[place : place + 3000] = b"\xa5" * 3000
    path.write_bytes(data)
    (copy / "lib/apk/db").mkdir(parents=True)
    (copy / "lib/apk/db/installed").write_text("P:musl\nV:1.2.4-r2\nA:x86_64\no:musl\n\n")
    gathered = gather(str(copy), "a")
    if [row for row in gathered.rows if row[0] == "rpm"]:
        assert len([row for row in gathered.rows if row[0] == "rpm"]) == 4  # nothing of what was spoilt matters
    else:
        assert [source for source, _ in gathered.missing] == ["rpm"]
    assert [row[1] for row in gathered.rows if row[0] == "apk"] == ["musl"]


def test_a_cut_database_is_no_shorter_list(copy: Path) -> None:
    path = copy / "var/lib/rpm/rpmdb.sqlite"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(Unreadable):
        read_rpm(str(copy))


def test_rpm_as_a_tool_on_another_system_is_no_source(tmp_path: Path) -> None:
    (tmp_path / "var/lib/rpm").mkdir(parents=True)
    with pytest.raises(NoSource):
        read_rpm(str(tmp_path))
    run("rpm", "--initdb", "--dbpath", str(tmp_path / "var/lib/rpm"))
    with pytest.raises(NoSource):
        read_rpm(str(tmp_path))


def test_what_no_rpm_has_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "var/lib/rpm").mkdir(parents=True)
    (tmp_path / "var/lib/rpm/Packages").write_bytes(b"\0" * 4096)
    monkeypatch.setattr(rpm, "COMMANDS", ())
    with pytest.raises(Unreadable, match="no hash table of Berkeley DB"):
        read_rpm(str(tmp_path))
