"""Gathering from folders that hold a system, whole ones and spoilt ones."""

from pathlib import Path

import pytest

from headless.inventory.gather import rpm_bdb
from headless.inventory.gather.apk import read_apk
from headless.inventory.gather.dpkg import read_dpkg
from headless.inventory.gather.everything import gather
from headless.inventory.gather.python import read_python
from headless.inventory.gather.rows import NoSource, Unreadable
from headless.inventory.gather.system import find_system, read_system
from inventory_roots import STATUS, make_debian

APK = "P:musl\nV:1.2.4-r2\nA:x86_64\no:musl\n\nC:x\nP:libcrypto3\nV:3.1.4-r5\nA:x86_64\no:openssl\nF:lib\nR:P\n\n"


def test_dpkg_lists_what_is_on_the_disk_with_its_source(tmp_path: Path) -> None:
    assert read_dpkg(str(make_debian(tmp_path))) == [
        ("dpkg", "bash", "5.2.15-2+b2", "amd64", "", ""),
        ("dpkg", "libssl3", "3.0.11-1~deb12u2", "amd64", "openssl", "3.0.11-1"),
        ("dpkg", "half", "2:2.0", "all", "whole", ""),
    ]


def test_plain_lists_only_what_pakiti_client_does(tmp_path: Path) -> None:
    assert [row[1] for row in read_dpkg(str(make_debian(tmp_path)), plain=True)] == ["bash"]


def test_an_image_with_a_file_for_each_package_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "var/lib/dpkg/status.d"
    folder.mkdir(parents=True)
    (folder / "base").write_text("Package: base-files\nVersion: 12.4\nArchitecture: amd64\nDescription: files\n")
    (folder / "base.md5sums").write_text("0  etc/x\n")
    assert [row[1] for row in read_dpkg(str(tmp_path))] == ["base-files"]


@pytest.mark.parametrize("cut", range(1, len(STATUS) - 1, 7))
def test_a_list_cut_short_anywhere_is_told_or_ends_with_a_whole_package(tmp_path: Path, cut: int) -> None:
    root = make_debian(tmp_path, STATUS[:cut])
    try:
        rows = read_dpkg(str(root))
    except Unreadable:
        return
    assert STATUS[:cut].endswith("\n")
    assert rows == read_dpkg(str(make_debian(tmp_path)))[: len(rows)]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (STATUS[:100], "cut short"),
        (STATUS.replace("Version: 3.0.11-1~deb12u2\n", ""), "without a name or a version"),
        (STATUS + "\0" * 512, "NUL"),
    ],
)
def test_a_damaged_list_is_missing_with_its_reason(tmp_path: Path, status: str, reason: str) -> None:
    gathered = gather(str(make_debian(tmp_path, status)))
    assert gathered.rows == []
    [(source, said)] = gathered.missing
    assert source == "dpkg" and reason in said


def test_a_dpkg_without_its_list_is_missing(tmp_path: Path) -> None:
    (make_debian(tmp_path) / "var/lib/dpkg/status").unlink()
    assert [source for source, _ in gather(str(tmp_path)).missing] == ["dpkg"]


def test_latin_1_in_a_list_is_no_crash(tmp_path: Path) -> None:
    root = make_debian(tmp_path)
    (root / "var/lib/dpkg/status").write_bytes(STATUS.replace("shell", "sh\xe9ll").encode("latin-1"))
    assert len(read_dpkg(str(root))) == 3


def test_apk_is_read_with_its_origin(tmp_path: Path) -> None:
    (tmp_path / "lib/apk/db").mkdir(parents=True)
    (tmp_path / "lib/apk/db/installed").write_text(APK)
    assert read_apk(str(tmp_path)) == [
        ("apk", "musl", "1.2.4-r2", "x86_64", "", ""),
        ("apk", "libcrypto3", "3.1.4-r5", "x86_64", "openssl", ""),
    ]


@pytest.mark.parametrize("text", [APK[:-4], APK[:-1], APK[: -len("F:lib\nR:P\n\n")], APK.replace("V:1.2.4-r2\n", "")])
def test_a_damaged_list_of_apk_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "lib/apk/db").mkdir(parents=True)
    (tmp_path / "lib/apk/db/installed").write_text(text)
    with pytest.raises(Unreadable):
        read_apk(str(tmp_path))


def make_distribution(folder: Path, name: str, version: str, installer: str = "pip") -> None:
    """A distribution as pip leaves it."""
    place = folder / f"{name.replace('.', '_')}-{version}.dist-info"
    place.mkdir(parents=True)
    (place / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nVersion: 9\n")
    if installer:
        (place / "INSTALLER").write_text(installer + "\n")


def test_python_distributions_are_read_but_for_those_of_the_systems_packages(tmp_path: Path) -> None:
    ours = tmp_path / "usr/local/lib/python3.11/dist-packages"
    make_distribution(ours, "ruamel.yaml", "0.18.6")
    (ours / "~ip-23.dist-info").mkdir()
    (ours / "old.egg-info").write_text("Name: old\nVersion: 1.0\n")
    make_distribution(tmp_path / "usr/lib/python3.9/site-packages", "dnf", "4.14", "rpm")
    make_distribution(tmp_path / "usr/lib/python3/dist-packages", "requests", "2.28", "")
    make_distribution(tmp_path / "venv", "click", "8.2.0")
    assert read_python(str(tmp_path), [str(tmp_path / "venv")]) == [
        ("python", "click", "8.2.0", "", "", ""),
        ("python", "old", "1.0", "", "", ""),
        ("python", "ruamel.yaml", "0.18.6", "", "", ""),
    ]


def test_metadata_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    folder = tmp_path / "usr/local/lib/python3.11/site-packages/broken-1.dist-info"
    folder.mkdir(parents=True)
    with pytest.raises(Unreadable, match="METADATA"):
        read_python(str(tmp_path))
    with pytest.raises(Unreadable, match="no such folder"):
        read_python(str(tmp_path), [str(tmp_path / "missing")])


def test_a_system_without_python_is_none(tmp_path: Path) -> None:
    with pytest.raises(NoSource):
        read_python(str(tmp_path))


def test_the_facts_of_another_system_are_its_own(tmp_path: Path) -> None:
    facts = read_system(str(make_debian(tmp_path)))
    assert facts["host"] == "node1.example.org"
    assert (facts["os_id"], facts["os_version"], facts["system"]) == ("debian", "12", "Debian GNU/Linux 12")
    assert len(facts["machine"]) == 32 and "0123456789abcdef" not in facts["machine"]
    assert "kernel" not in facts and "cpu" not in facts


def test_of_this_machine_the_kernel_is_known() -> None:
    facts = read_system()
    assert facts["host"] and facts["kernel"] and facts["host"] != "localhost"


@pytest.mark.parametrize(
    ("files", "system"),
    [
        ({"redhat-release": " CentOS  Linux release 7.9 \n"}, "CentOS Linux release 7.9"),
        ({"fedora-release": "Fedora release 40 (Forty)\n"}, "Fedora release 40 (Forty)"),
        ({"os-release": "ID=debian\nNAME=Debian\n", "issue.net": "Debian GNU/Linux trixie/sid\nmore\n"},
         "Debian GNU/Linux trixie/sid"),
        ({"os-release": "ID=debian\nNAME=Debian\n", "issue.net": "\n\n"}, "Debian"),
        ({"os-release": 'ID=ubuntu\nNAME="Ubuntu"\nVERSION_ID="24.04"\n', "issue.net": "x\n"}, "Ubuntu 24.04"),
        ({"os-release": "# a comment\n\nNAME='Arch Linux'\nID=arch\n"}, "Arch Linux"),
        ({"os-release": "no assignment\n=\nNAME=\"a \\\"b\\\"\"\n"}, 'a "b"'),
        ({"os-release": "PRETTY_NAME=Odd\n"}, "Odd"),
        ({"os-release": "PRETTY_NAME='Odd 12 (new)'\nVERSION_ID=12\n"}, "Odd 12 (new)"),
        ({"SuSE-release": "SUSE Linux Enterprise Server 11 (x86_64)\n"}, "SUSE Linux Enterprise Server 11 (x86_64)"),
        ({"os-release": "\0\0\xff\n"}, ""),
        ({"redhat-release": ""}, ""),
        ({}, ""),
    ],
)  # fmt: skip
def test_no_release_file_is_odd_enough_to_stop_a_report(tmp_path: Path, files: dict[str, str], system: str) -> None:
    make_debian(tmp_path)
    for name in ("os-release", "issue.net"):
        (tmp_path / "etc" / name).unlink()
    for name, text in files.items():
        (tmp_path / "etc" / name).write_text(text, encoding="latin-1")
    assert read_system(str(tmp_path)).get("system", "") == system
    assert len(gather(str(tmp_path)).rows) == 3


def test_the_name_of_a_system_needs_no_file(tmp_path: Path) -> None:
    assert find_system(str(tmp_path), {}) == ""


@pytest.mark.parametrize(
    ("place", "source"),
    [("var/lib/dpkg", "dpkg"), ("usr/lib", "python"), ("var/lib/rpm/rpmdb.sqlite", "rpm"), ("var/lib/rpm", "rpm")],
)
def test_a_place_that_cannot_be_looked_into_is_told(tmp_path: Path, place: str, source: str) -> None:
    loop = tmp_path / place  # a link to itself, which root cannot follow either
    loop.parent.mkdir(parents=True)
    loop.symlink_to(loop)
    assert source in [name for name, _ in gather(str(tmp_path)).missing]


def test_a_chain_of_pages_that_leads_back_to_itself_does_not_fill_the_memory(tmp_path: Path) -> None:
    size = 512
    data = bytearray(3 * size)
    for place, value in ((12, rpm_bdb.MAGIC), (20, size), (32, 2), (size + 480 + 4, 2), (size + 480 + 8, 1 << 24)):
        data[place : place + 4] = value.to_bytes(4, "little")
    for place, value in ((size + 20, 2), (size + 26, 500), (size + 28, 480), (2 * size + 16, 2), (2 * size + 22, 486)):
        data[place : place + 2] = value.to_bytes(2, "little")
    data[size + 25], data[size + 480], data[2 * size + 25] = rpm_bdb.HASH, rpm_bdb.ELSEWHERE, rpm_bdb.OVERFLOW
    (tmp_path / "Packages").write_bytes(data)
    with pytest.raises(Unreadable, match="longer than its file"):
        rpm_bdb.read_bdb(str(tmp_path / "Packages"))
