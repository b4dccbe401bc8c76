"""Commands that ask web services, beside the real alien.py, which comes to the same one through a proxy's variable."""

import json
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from grid_support import GridServer, GridUser

OBJECT: dict[str, Any] = {
    "path": "TPC/Calib", "Valid-From": "1700000000000", "Valid-Until": "1700000060000", "ETag": '"e-1"',
    "Content-Disposition": 'inline;filename="o2::tpc.root"', "ObjectType": "o2::X", "Last-Modified": "1700000000000",
    "replicas": ["http://x/y", "alien:///grid/user/t/tester/object"],
}  # fmt: skip
MONITORED = {
    "results": [
        {"Farm": "A", "Timestamp": 1700000000, "Value": 1.5},
        {"Farm": "Bcd", "Timestamp": 1700000060, "Value": 2},
    ]
}


@dataclass
class Web:
    """A service that is asked, as a server or as a proxy.

    Attributes:
        answers: by the begin of the path: status and body.
        asked: all paths, with the headers.
    """

    port: int = 0
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    """The service."""
    web = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = "/" + self.path.split("/", 3)[3] if self.path.startswith("http") else self.path
            web.asked.append((path, dict(self.headers)))
            known = [web.answers[begin] for begin in web.answers if path.startswith(begin)]
            status, body = known[0] if known else (404, b"")
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    web.answers = {
        "/rest/farm?": (200, json.dumps(MONITORED).encode()),
        "/rest/none?": (200, b'{"results": []}'),
        "/rest/bad?": (200, b"no json"),
        "/rest/fails?": (500, b""),
        "/latest/RCT/Info/RunInformation/505": (200, b'{"objects": [{"SOR": "1700000000123"}]}'),
        "/latest/TPC": (200, json.dumps({"objects": [OBJECT], "subfolders": ["TPC/Calib/Sub"]}).encode()),
        "/latest/evil": (200, json.dumps({"objects": [{**OBJECT, "path": "../.."}]}).encode()),
        "/browse/TPC": (200, json.dumps({"objects": [OBJECT, OBJECT], "subfolders": []}).encode()),
    }
    yield web
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GridUser]:
    """A user of a grid that is not running: none of this needs a login."""
    with GridServer(tmp_path_factory.mktemp("grid")) as server:
        server.port = 1
        yield server.add_user("tester")


def proxied(web: Web) -> dict[str, str]:
    return {"http_proxy": f"http://127.0.0.1:{web.port}", "TZ": "UTC"}


@pytest.mark.parametrize("line", ["queryML farm", "queryML none", "ccdb TPC/Calib", "ccdb -unixtime TPC/*"])
def test_it_reads_as_from_alien_py(user: GridUser, web: Web, line: str) -> None:
    web.asked.clear()
    ours, theirs = (run(line, environment=proxied(web)) for run in (user.run, user.alien))
    assert ours.returncode == theirs.returncode == 0, ours.stderr
    assert [text.rstrip() for text in ours.stdout.decode().strip().splitlines()] == [
        text.rstrip() for text in theirs.stdout.decode().strip().replace("None", "").splitlines()
    ]
    assert web.asked[0][0] == web.asked[-1][0]


@pytest.mark.parametrize(
    ("line", "code", "complaint"),
    [
        ("queryML", 22, "give a predicate"),
        ("queryML bad", 71, "is no JSON"),
        ("queryML fails", 121, "500"),
        ("queryML nosuch", 2, "404"),
        ("queryML -host ftp://x farm", 22, "http://"),
        ("ccdb", 22, "give a query"),
        ("ccdb nosuch", 2, "404"),
        ("ccdb -mirror TPC", 22, "unknown option -mirror"),
        ("ccdb -objtime 5 TPC", 22, "13 digits"),
        ("ccdb -run 505 -objtime 1700000000000 TPC", 22, "only one time"),
        ("ccdb -header x TPC", 22, "NAME: VALUE"),
        ("ccdb -limit no TPC", 22, "give a number"),
    ],
)
def test_what_fails_says_so(user: GridUser, web: Web, line: str, code: int, complaint: str) -> None:
    done = user.run(line, environment=proxied(web))
    assert (done.returncode, done.stdout) == (code, b"")
    assert complaint in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


def test_a_service_that_is_gone(user: GridUser) -> None:
    done = user.run("queryML", "-host", "127.0.0.1:1", "x")
    assert (done.returncode, done.stderr) == (
        107, b"http://127.0.0.1:1/rest/x?Accept=application/json: Connection refused\n"
    )  # fmt: skip


def test_another_host_rows_and_the_services_own_text(user: GridUser, web: Web) -> None:
    host = f"127.0.0.1:{web.port}"
    document = json.loads(user.run("queryML", "-host", host, "farm", "--json").stdout)
    assert document["results"][1]["Value"] == "2"
    web.asked.clear()
    assert json.loads(user.run("queryML", "-host", f"http://{host}/", "farm", "text").stdout) == MONITORED
    assert web.asked[0][0] == "/rest/farm?Accept=text/plain"
    assert json.loads(user.run("ccdb", "-host", host, "TPC", "--jsonl").stdout)["filename"] == "o2-tpc.root"


def test_a_run_a_condition_and_a_header_are_asked_for(user: GridUser, web: Web) -> None:
    web.asked.clear()
    words = ("-host", f"127.0.0.1:{web.port}", "-run", "505", "-history", "-limit", "3", "-header", "X-Me: you")
    assert user.run("ccdb", *words, "TPC/Calib/quality=2").returncode == 0
    path, headers = web.asked[-1]
    assert path == "/browse/TPC/Calib/1700000000123/quality=2"
    assert (headers["Browse-Limit"], headers["X-Me"]) == ("3", "you")


def test_a_path_of_the_service_leads_nowhere_else(user: GridUser, web: Web, tmp_path: Path) -> None:
    done = user.run("ccdb", "-host", f"127.0.0.1:{web.port}", "-get", "-dst", str(tmp_path), "evil")
    assert done.returncode > 0
    assert done.stderr.count(b"\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_whether_somebody_listens(user: GridUser, web: Web) -> None:
    done = user.run("checkAddr", "127.0.0.1", str(web.port))
    assert (done.returncode, done.stdout.decode()) == (0, f"127.0.0.1:{web.port}        OK\n")
    closed = user.run("checkAddr", "127.0.0.1", "1")
    assert (closed.returncode, closed.stdout) == (107, b"127.0.0.1:1        FAIL: Connection refused\n")
    assert user.run("checkAddr", "127.0.0.1", "x").returncode == 22


def test_authorities_are_cloned_and_replace_the_old_ones_only_then(user: GridUser, tmp_path: Path) -> None:
    source, folder = tmp_path / "source", tmp_path / "out"
    (source / "ALICE").mkdir(parents=True)
    folder.mkdir()
    (source / "ALICE" / "ca.pem").write_bytes((user.server.state / "pki" / "ca.pem").read_bytes())
    (source / "ALICE" / "link.pem").symlink_to("/etc/passwd")
    commit = "git init -q; git add .; git -c user.name=x -c user.email=x@y commit -qm x"
    subprocess.run(commit, shell=True, cwd=source, check=True)
    (folder / "certificates").mkdir()
    (folder / "certificates" / "old").touch()
    failed = user.run("getCAcerts", str(folder), "-source", str(tmp_path / "nosuch"))
    assert (failed.returncode, failed.stderr.count(b"\n")) == (5, 1)
    assert [path.name for path in folder.rglob("*")] == ["certificates", "old"]
    done = user.run("getCAcerts", str(folder), "-source", f"file://{source}")
    assert done.stdout.decode() == f"export X509_CERT_DIR={folder}/certificates\n", done.stderr
    names = {path.name for path in (folder / "certificates").iterdir()}  # it, and its hash
    assert (len(names), names > {"ca.pem"}, [path.name for path in folder.iterdir()]) == (2, True, ["certificates"])
    assert user.run("cert-verify", environment={"X509_CERT_DIR": f"{folder}/certificates"}).returncode == 0
