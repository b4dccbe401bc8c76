"""The pages and the API where something is wrong: with who asks, with the file of grants, with the database."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from inventory_fleet import AskedCollector, run_asked_collector
from inventory_server import CollectorServer, post, read_status, talk, write_report
from mariadb import run_mariadb
from support import HEADLESS, wait_for

PATHS = ("/", "/site/ALPHA", "/host/ALPHA/node1", "/package/openssl", "/search?q=node")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collector's folder."""
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="module")
def collector(folder: Path) -> Iterator[AskedCollector]:
    """A collector that holds a fleet."""
    with run_asked_collector(folder, '[serve]\nproxies = ["127.0.0.0/8"]\n') as collector:
        yield collector
    assert "Traceback" not in (folder / "collector.log").read_text()


def test_while_the_file_of_grants_is_damaged_nobody_is_let_in_and_told_why(
    collector: AskedCollector, folder: Path
) -> None:
    file = folder / "state" / "access.json"
    good = file.read_text()
    file.write_text(good[:-10])
    try:
        for path in (*PATHS, "/api/v1/hosts"):
            status, headers, body = collector.get(path)
            assert (status, headers["cache-control"]) == (503, "no-store"), path
            assert b"who may see what cannot be read" in body and b"access.json" not in body
        assert collector.get("/login", "", body=b"token=x")[0] == 503
        port = int(collector.url.rpartition(":")[2])
        authorization = "Authorization: Bearer x"
        assert read_status(talk(port, post("/feed/", write_report("host"), authorization))) == 503
        log = (folder / "collector.log").read_text()
        assert log.count("access-unreadable") == 1 and "mend it" in log
    finally:
        file.write_text(good)
    assert [collector.get(path)[0] for path in PATHS] == [200] * len(PATHS)


def test_a_token_that_is_taken_back_counts_no_more(collector: AskedCollector, folder: Path) -> None:
    file = collector.grant("leaver", "--site", "*")
    cookie = {"Cookie": f"headless-inventory={file.read_text().strip()}"}
    assert collector.get("/", "", headers=cookie)[0] == 200
    words = [HEADLESS, "inventory", "token", "remove", "leaver", "--state", str(folder / "state")]
    subprocess.run(words, check=True, env={"HOME": str(folder)})
    status, headers, body = collector.get("/", "", headers=cookie)
    assert (status, headers["location"], body) == (303, "/login", b"")
    assert collector.get("/api/v1/hosts", "", headers=cookie)[0] == 401


def test_another_site_of_the_web_logs_nobody_in_or_out(collector: AskedCollector) -> None:
    token = collector.tokens["all"].read_text().strip()
    for where in ("cross-site", "same-site"):
        for path in ("/login", "/logout"):
            headers = {"Sec-Fetch-Site": where}
            status, answer, _ = collector.get(path, "", body=f"token={token}".encode(), headers=headers)
            assert status == 403 and "set-cookie" not in answer
    headers = {"Sec-Fetch-Site": "same-origin"}
    assert collector.get("/login", "", body=f"token={token}".encode(), headers=headers)[0] == 303


def test_the_cookie_is_for_https_alone_where_a_proxy_speaks_it(collector: AskedCollector) -> None:
    token = collector.tokens["all"].read_text().strip()
    for told, is_secure in (("https", True), ("http", False)):
        headers = {"X-Forwarded-Proto": told}
        cookie = collector.get("/login", "", body=f"token={token}".encode(), headers=headers)[1]["set-cookie"]
        assert ("secure" in cookie.lower()) == is_secure


@pytest.mark.parametrize(
    "cookie", ["\x80\xff", "x" * 8000, "a=b; headless-inventory=", "headless-inventory=\xe9\xa0", "=;=;,", '"\\']
)
def test_odd_cookies_are_those_of_nobody(collector: AskedCollector, cookie: str) -> None:
    status, headers, _ = collector.get("/", "", headers={"Cookie": f"headless-inventory={cookie}"})
    assert (status, headers.get("location")) == (303, "/login")


def test_head_and_other_methods(collector: AskedCollector) -> None:
    port = int(collector.url.rpartition(":")[2])
    token = collector.tokens["all"].read_text().strip()
    for path in ("/", "/style.css", "/login", "/api/v1/hosts"):
        for method, status in (("HEAD", 200), ("OPTIONS", 405), ("DELETE", 405), ("TRACE", 405)):
            request = (
                f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
            )
            answer = talk(port, request.encode())
            assert read_status(answer) == status, (method, path)
            assert method != "HEAD" or answer.endswith(b"\r\n\r\n")


def test_a_reader_of_one_site_cannot_tell_what_is_elsewhere_from_what_is_nowhere(collector: AskedCollector) -> None:
    shown = {}
    for there, nowhere in (
        ("/site/BETA", "/site/NOWHERE"),
        ("/host/BETA/wn1.beta.example.org", "/host/NOWHERE/wn1.beta.example.org"),
        ("/host/wn1", "/host/zz1"),
        ("/package/lib5", "/package/lib5"),
        ("/search?q=wn1", "/search?q=zz1"),
        ("/api/v1/hosts?site=BETA", "/api/v1/hosts?site=NOWHERE"),
        ("/api/v1/drift?site=BETA", "/api/v1/drift?site=NOWHERE"),
        ("/api/v1/diff?a=site:BETA&b=site:ALPHA", "/api/v1/diff?a=site:NOWHERE&b=site:ALPHA"),
        ("/api/v1/diff?a=BETA/wn1&b=node1", "/api/v1/diff?a=NOWHERE/wn1&b=node1"),
    ):
        for path in (there, nowhere):
            status, _, body = collector.get(path, "alpha")
            told = body.decode().replace("NOWHERE", "BETA").replace("zz1", "wn1")
            shown[path] = status, told.partition("<main>")[2] or told
        assert shown[there] == shown[nowhere], there
    numbers = {row["set"] for row in collector.ask("hosts", site="BETA")["rows"]}
    for number in numbers - {row["set"] for row in collector.ask("hosts", site="ALPHA")["rows"]}:
        assert collector.ask("hosts", "alpha", set=str(number))["rows"] == []
    ids = [row["id"] for row in collector.ask("hosts", site="BETA")["rows"]]
    for text in (f"wn1#{ids[0]}", f"node1.example.org#{ids[0]}", f"ALPHA/wn1#{ids[0]}"):
        assert collector.get(f"/api/v1/show?host={text.replace('#', '%23')}", "alpha")[0] == 400


def test_while_the_database_is_away_the_pages_say_so(tmp_path: Path) -> None:
    with run_mariadb() as database:
        settings = f'database = "{database.create_database("pages")}"\n'
        with CollectorServer(tmp_path, settings) as server:
            server.start()
            collector = AskedCollector(server, tmp_path, 0)
            assert collector.get("/site/ALPHA")[0] == 404
            assert "No host that you may see has reported yet." in collector.get("/")[2].decode()
            collector.tokens["other"] = collector.grant("other", "--site", "ALPHA")
            database.stop()
            for path in PATHS[1:]:
                status, _, body = collector.get(path)
                assert status == 503 and b'<p class="message">Try again later: ' in body, (path, status)
            assert collector.get("/")[0] == 200
            wait_for(lambda: collector.get("/", "other")[0] == 503, "the start page says so")
            assert b"Try again later" in collector.get("/", "other")[2]
            status, headers, body = collector.get("/api/v1/hosts")
            assert status == 503 and "error" in json.loads(body) and headers["retry-after"]
            server.kill()
            server.start()  # its database away
            for path in ("/", "/login", "/api/v1/hosts"):
                status, headers, body = collector.get(path)
                assert status == 503 and "the database is away" in body.decode() and headers["retry-after"]
            assert json.loads(collector.get("/api/v1/hosts")[2])["error"]
            done = collector.run("hosts")
            assert done.returncode == 1 and "the database is away" in done.stderr
