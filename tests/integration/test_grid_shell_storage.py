"""Commands that ask storage itself, hand its addresses to other programs, or make collections; with a real xrootd."""

import hashlib
import json
import os
import subprocess
import threading
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from grid_support import GridServer, GridUser
from scripted_grid import ScriptedGrid
from support import HEADLESS

pytestmark = pytest.mark.peer("xrootd")
TEXT = b"one\ntwo\n"
SE = "LOCAL::SITE::SE1"


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder."""

    def log_message(self, *words: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GridUser]:
    """A user of a running grid with a storage and some files."""
    with GridServer(tmp_path_factory.mktemp("grid")).with_storages(1) as server:
        user = server.add_user("tester")
        server.start()
        (user.home / "text").write_bytes(TEXT)
        assert user.run("mkdir", "data").returncode == 0
        for name in ("text", "data/run1.root", "data/run2.root", "data/.hidden"):
            done = user.run("cp", f"file:{user.home}/text", f"alien:{name}@disk:1")
            assert done.returncode == 0, done.stderr
        yield user
        server.stop()


def in_folder(user: GridUser, folder: Path, *words: str) -> "subprocess.CompletedProcess[bytes]":
    environment = {**user.world.environment, **user.variables}
    return subprocess.run([HEADLESS, "grid", *words], env=environment, cwd=folder, capture_output=True, check=False)


def test_storage_answers_a_ping(user: GridUser) -> None:
    lines = user.run("xrd_ping", "-c", "2", SE).stdout.decode().splitlines()
    assert lines[0] == "XRootD ping(s): 2 time(s) to:"
    assert lines[1].startswith(f"{SE: <32} rtt min/avg/max/mdev (ms) = ")
    server = user.run("getSE", "-srv", SE).stdout.decode().strip()
    assert json.loads(user.run("xrd_ping", server, "-jsonl").stdout.splitlines()[1])["server"] == server
    gone = user.run("xrd_ping", "127.0.0.1:1", environment={"XRD_CONNECTIONRETRY": "1", "XRD_CONNECTIONWINDOW": "1"})
    assert gone.returncode > 0  # alien.py says 0
    assert b"127.0.0.1:1" in gone.stdout
    assert user.run("xrd_ping").returncode == 22


@pytest.mark.parametrize("line", [f"xrd_config {SE}", f"xrd_config -v {SE}", "xrd_config -a"])
def test_the_configuration_reads_as_from_alien_py(user: GridUser, line: str) -> None:
    ours, theirs = user.run(line), user.alien(line)
    assert ours.returncode == theirs.returncode == 0, ours.stderr
    assert ours.stdout.decode().strip() == theirs.stdout.decode().strip()
    assert b"XrdVer" in ours.stdout


def test_statistics(user: GridUser) -> None:
    ours = json.loads(user.run("xrd_stats", SE).stdout)
    theirs = json.loads(user.alien("xrd_stats", SE).stdout)
    assert ours.keys() >= theirs.keys()
    assert ours["stats"].keys() == theirs["stats"].keys()
    assert (ours["seName"], ours["ver"]) == (SE, theirs["ver"])
    assert ElementTree.fromstring(user.run("xrd_stats", "-xml", SE).stdout).tag == "statistics"
    assert user.run("xrd_stats", "-xmlraw", SE).stdout.count(b"\n") == 1


def test_a_replicas_state_is_its_storages_word(user: GridUser) -> None:
    done = user.run("pfn-status", "-v", "text")
    assert done.returncode == 0, done.stderr
    first, second, third = done.stdout.decode().splitlines()
    assert first == "LFN: /grid/user/t/tester/text"
    assert second.startswith("root://")
    assert f"\t\tSize: {len(TEXT)}\tR/W status:1/" in second
    assert third.startswith("IS DIR/OTHER/OFFLINE: 0/0/0\tModified: ")
    pfn = user.run("pfn", "text").stdout.decode().strip()
    refused = user.run("pfn-status", pfn)  # nobody has given leave
    assert refused.returncode > 0
    assert refused.stdout.decode().startswith(f"{pfn}\t\tMessage: ")
    assert user.run("pfn-status", "nosuch").returncode == 2


def test_xrdcp_takes_the_addresses(user: GridUser, tmp_path: Path) -> None:
    ours = user.run("lfn2uri", "text").stdout.decode().strip()
    theirs = user.alien("lfn2uri", "text").stdout.decode().strip()
    assert ours.split("authz=")[0] == theirs.split("authz=")[0]
    subprocess.run(["xrdcp", "--nopbar", ours.strip("'"), str(tmp_path / "a")], check=True, capture_output=True)
    assert (tmp_path / "a").read_bytes() == TEXT
    (tmp_path / "up").write_bytes(b"up")
    written = user.run("lfn2uri", "new@disk:1", str(tmp_path / "up"), "write")
    assert written.returncode == 0, written.stderr
    subprocess.run(
        ["xrdcp", "--nopbar", str(tmp_path / "up"), written.stdout.decode().strip().strip("'")],
        check=True, capture_output=True,
    )  # fmt: skip


def test_a_metalink_holds_them_all_for_this_user_only(user: GridUser, tmp_path: Path) -> None:
    done = in_folder(user, tmp_path, "lfn2uri", "text", "meta")
    path = tmp_path / "text.meta4"
    assert done.stdout.decode() == f"{path}\n"
    assert path.stat().st_mode & 0o077 == 0
    assert hashlib.md5(TEXT).hexdigest() in path.read_text()
    subprocess.run(["xrdcp", "--nopbar", str(path), str(tmp_path / "b")], check=True, capture_output=True)
    assert (tmp_path / "b").read_bytes() == TEXT


def test_other_ways_to_a_file_are_asked_of_the_server(tmp_path: Path) -> None:
    grid = ScriptedGrid(tmp_path)
    try:
        grid.answers["access"] = lambda words: (0, "", [{"url": "https://h/a#m", "envelope": "E"}])
        done = grid.world.run("grid", "lfn2uri", "/x@disk:1", "http", "strict")
        assert done.stdout == b"'https://h/a?xrdcl.unzip=m&xrd.wantprot=unix&authz=E'\n", done.stderr
        assert grid.commands[-1] == ["access", "-nomsg", "-u", "-f", "read", "/x", "disk:1"]
        grid.answers["access"] = lambda words: (0, "", [])
        assert grid.world.run("grid", "lfn2uri", "/x").returncode == 2
    finally:
        grid.close()


def test_an_object_of_the_conditions_database_is_fetched_from_the_grid(user: GridUser, tmp_path: Path) -> None:
    found = {"path": "TPC/Calib", "fileName": "o2::x.root", "Valid-From": "1", "Valid-Until": "2", "replicas": [
        "http://elsewhere/x", "alien:///grid/user/t/tester/text",
    ]}  # fmt: skip
    (tmp_path / "latest").mkdir()
    (tmp_path / "latest" / "TPC").write_text(json.dumps({"objects": [found, {**found, "path": "Other"}]}))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        words = ("-host", f"127.0.0.1:{server.server_address[1]}", "-get", "-dst", str(tmp_path / "out"))
        done = user.run("ccdb", *words, "TPC")
        assert done.returncode == 0, done.stderr
        for folder in ("TPC/Calib", "Other"):
            assert (tmp_path / "out" / folder / "o2-x.root").read_bytes() == TEXT
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("words", "code"),
    [("", 22), ("text write", 22), ("text x meta write", 22), ("nosuch", 2), ("new /nowhere write", 2)],
)
def test_addresses_that_cannot_be_had(user: GridUser, words: str, code: int) -> None:
    done = user.run("lfn2uri", *words.split())
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (code, b"", 1)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("data", [".hidden", "run1.root", "run2.root"]),
        ("-name ext_root data", ["run1.root", "run2.root"]),
        ("-select run1 data", ["run1.root"]),
        ("-glob run* -exclude run2 data", ["run1.root"]),
        ("data/*2.root", ["run2.root"]),
        ("-minsize 1000 data", []),
    ],
)
def test_find2_finds_what_alien_py_finds(user: GridUser, words: str, names: list[str]) -> None:
    ours, theirs = user.run("find2", *words.split()), user.alien("find2", *words.split())
    found = [f"/grid/user/t/tester/data/{name}" for name in names]
    assert sorted(ours.stdout.decode().split()) == sorted(theirs.stdout.decode().split()) == found
    assert ours.returncode == theirs.returncode == (0 if names else 2)


def test_find2_says_what_it_does_not_take(user: GridUser) -> None:
    for words in ((), ("-nosuch", "data"), ("data", "data"), ("d*/x*",), ("-name", "x", "data")):
        done = user.run("find2", *words)
        assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (22, b"", 1)
        assert done.stderr.startswith(b"find2")


def test_a_collection_of_local_files_is_alien_pys(user: GridUser, tmp_path: Path) -> None:
    file, output = tmp_path / "a & b", tmp_path / "out.xml"
    file.write_bytes(TEXT)
    assert user.run("toXml", "-local", "-x", str(output), str(file)).returncode == 0
    (ours,) = ElementTree.fromstring(output.read_bytes()).iter("file")
    assert user.run("toXml", "-local", "-i", str(file), "/nowhere").stdout == output.read_bytes()
    text = user.alien("toXml", "-local", str(file)).stdout
    (theirs,) = ElementTree.fromstring(text[text.index(b"<?xml") :]).iter("file")
    assert {**ours.attrib, "ctime": ""} == {**theirs.attrib, "ctime": ""}
    missing = user.run("toXml", "-local", str(file), "/nowhere")
    assert (missing.returncode, missing.stdout) == (2, b"")


def test_a_collection_of_the_grids_files_can_be_written_here(user: GridUser, tmp_path: Path) -> None:
    if user.run("toXml", "text").returncode:
        pytest.skip("this grid's server makes no collections")
    listed, output = tmp_path / "list", tmp_path / "out.xml"
    listed.write_text("# mine\ndata/run1.root\n")
    done = user.run("toXml", "-x", f"file:{output}", "-l", f"file:{listed}", "text")
    assert done.returncode == 0, done.stderr
    found = [file.attrib["lfn"] for file in ElementTree.fromstring(output.read_bytes()).iter("file")]
    assert [os.path.basename(lfn) for lfn in found] == ["text", "run1.root"]


def test_sites_and_their_jobs(user: GridUser) -> None:
    ours, theirs = user.run("getCE"), user.alien("getCE")
    assert ours.returncode == theirs.returncode
    assert [line.split() for line in ours.stdout.decode().strip().splitlines()] == [
        line.split() for line in theirs.stdout.decode().strip().splitlines()
    ]
    assert user.run("getCE", "-nosuch").returncode == 22
    done = user.run("siteJobs", "nosuchsite")
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
    assert user.run("siteJobs").returncode == 22
