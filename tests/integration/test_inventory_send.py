"""Sending reports: answers of all kinds, redirects, proxies, TLS."""

import os
import ssl
import threading
import time
from collections.abc import Iterator

import pytest

from authority import Authority
from headless.inventory.formats import parse_report
from inventory_collector import Answer, ScriptedCollector, run_collector
from inventory_sending import kept, send, words
from support import TIME_SCALE, World


def test_a_report_is_posted_as_it_is(place: World, collector: ScriptedCollector) -> None:
    done = send(place, collector)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    [request] = collector.taken
    assert (request.method, request.path) == ("POST", "/feed/wlcg")
    assert request.headers["Content-Type"].startswith("text/plain")
    assert parse_report(request.body).host == "node1.example.org"
    assert kept(place) == []


def test_the_token_goes_along_and_is_in_no_message(place: World, collector: ScriptedCollector) -> None:
    (place.home / "token").write_text("s3cret\n")
    collector.answers = [Answer(403, body=b"no")]
    done = send(place, collector, "--token-file", str(place.home / "token"))
    assert collector.taken[0].headers["Authorization"] == "Bearer s3cret"
    assert done.returncode == 5 and b"s3cret" not in done.stderr and b"or the collector's --allow" in done.stderr
    assert len(kept(place)) == 1  # it is not the report's fault
    assert f"{place.home}/token: everybody on this machine can read it".encode() in done.stderr
    (place.home / "token").chmod(0o600)
    assert send(place, collector, "--token-file", str(place.home / "token")).stderr == b""


def test_plain_speaks_to_pakitis_own_collector(place: World, collector: ScriptedCollector) -> None:
    assert send(place, collector, "--plain").returncode == 0
    assert collector.taken[0].path == "/feed/wlcg?protocol=5"
    assert b"sha256" not in collector.bodies[0]


def test_the_answer_may_have_to_end_as_expected(place: World, collector: ScriptedCollector) -> None:
    collector.answers = [Answer(body=b"200 th4nk y0u\n"), Answer(body=b"version doesn't correspond")]
    assert send(place, collector, "--expect", "200 th4nk y0u").returncode == 0
    done = send(place, collector, "--expect", "200 th4nk y0u")
    assert done.returncode == 1 and b"doesn't correspond" in done.stderr


def test_a_collector_that_is_away_comes_back_within_the_time(place: World, collector: ScriptedCollector) -> None:
    collector.answers = [Answer(503, {"Retry-After": "1"}), Answer(503)]
    began = time.monotonic()
    assert send(place, collector, retry_for=60).returncode == 0
    assert time.monotonic() - began >= 1.5  # a second as was asked for, and at least another one
    assert len(set(collector.bodies)) == 1


@pytest.mark.parametrize("after", ["-1", "1e9", "soon", "9" * 40, "\u0663", ""])
def test_an_odd_time_to_wait_for_is_none(place: World, collector: ScriptedCollector, after: str) -> None:
    collector.answers = [Answer(503, {"Retry-After": after.encode().decode("latin-1")})]
    assert send(place, collector).returncode == 1
    assert send(place, collector).returncode == 0


def test_a_redirect_that_keeps_the_report_is_followed(place: World, collector: ScriptedCollector) -> None:
    with run_collector() as other:
        collector.answers = [Answer(307, {"Location": other.url}), Answer(308, {"Location": "/there"})]
        assert send(place, collector).returncode == 0
        assert len(other.bodies[0]) > 100
        assert send(place, collector).returncode == 0
        assert [request.path for request in collector.taken] == ["/feed/wlcg", "/feed/wlcg", "/there"]


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_redirect_that_would_lose_the_report_is_a_failure(
    place: World, collector: ScriptedCollector, status: int
) -> None:
    collector.answers = [Answer(status, {"Location": "/other"})]
    done = send(place, collector)
    assert done.returncode == 2 and b"/other" in done.stderr
    assert len(collector.taken) == 1 and len(kept(place)) == 1


def test_an_endless_redirect_ends(place: World, collector: ScriptedCollector) -> None:
    collector.answers = [Answer(307, {"Location": "/again"}) for _ in range(50)]
    done = send(place, collector)
    assert done.returncode == 1 and b"more than 5 times" in done.stderr


def test_nobody_there_is_status_1_and_kept(place: World) -> None:
    done = place.run(*words(place, "http://localhost:1/feed"))
    assert done.returncode == 1 and b"refused" in done.stderr and len(kept(place)) == 1


def test_a_collector_that_does_not_answer_is_given_up(place: World, collector: ScriptedCollector) -> None:
    never = threading.Event()
    collector.answers = [Answer(hold=never)]
    done = send(place, collector, "--timeout", "1")
    never.set()
    assert done.returncode == 1 and b"timed out" in done.stderr and len(kept(place)) == 1


def test_proxies_are_used_and_exceptions_are_made(place: World, collector: ScriptedCollector) -> None:
    with run_collector() as proxy:
        address = f"http://user:p%40ss@127.0.0.1:{proxy.server_address[1]}"
        done = place.run(
            *words(place, "http://collector.example.org:8000/feed?a=b"), environment={"http_proxy": address}
        )
        assert done.returncode == 0, done.stderr
        [request] = proxy.taken
        assert request.path == "http://collector.example.org:8000/feed?a=b"
        assert request.headers["Proxy-Authorization"] == "Basic dXNlcjpwQHNz"
        assert request.headers["Host"] == "collector.example.org:8000"
        exempt = {"http_proxy": address, "no_proxy": "example.org, localhost"}
        assert place.run(*words(place, collector.url), environment=exempt).returncode == 0
        assert (len(proxy.taken), len(collector.taken)) == (1, 1)
    done = place.run(*words(place, "http://a.example.org/"), environment={"http_proxy": "socks5://x:1"})
    assert done.returncode == 2 and b"http_proxy" in done.stderr


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority for TLS."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def secure(authority: Authority) -> Iterator[ScriptedCollector]:
    """A collector over TLS that asks for a client's certificate."""
    certificate, key = authority.issue_server()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(authority.file)
    context.verify_mode = ssl.CERT_OPTIONAL
    with run_collector(context) as server:
        yield server


def test_tls_is_checked_and_goes_through_a_proxys_tunnel(
    place: World, secure: ScriptedCollector, authority: Authority
) -> None:
    done = send(place, secure, retry_for=3600)  # which is not waited for
    assert done.returncode == 1 and done.stderr.count(b"\n") == 1 and len(kept(place)) == 1 and secure.taken == []
    assert b"the collector's certificate is not trusted (self-signed certificate in " in done.stderr
    assert b"): see --ca-file; kept" in done.stderr and b"_ssl.c" not in done.stderr
    spool = str(kept(place)[0].parent)
    done = place.run("inventory", "relay", "--spool", spool, "--to", secure.url)
    assert done.returncode == 1 and b"is not trusted" in done.stderr and b"_ssl.c" not in done.stderr
    assert send(place, secure, "--ca-file", str(authority.file)).returncode == 0
    assert len(secure.taken) == 2  # what was kept, too
    certificate, key = authority.issue("node1")
    with run_collector() as proxy:
        address = f"http://127.0.0.1:{proxy.server_address[1]}"
        more = ("--ca-file", str(authority.file), "--certificate", str(certificate), "--key", str(key))
        done = place.run(*words(place, secure.url, *more), environment={"https_proxy": address})
        assert done.returncode == 0, done.stderr
        assert [request.method for request in proxy.taken] == ["CONNECT"]
    assert len(secure.taken) == 3


def test_a_report_goes_from_tls_to_no_plain_place(
    place: World, secure: ScriptedCollector, authority: Authority
) -> None:
    secure.answers = [Answer(307, {"Location": "http://localhost:1/"})]
    done = send(place, secure, "--ca-file", str(authority.file))
    assert done.returncode == 2 and b"not encrypted" in done.stderr


@pytest.mark.parametrize("url", ["127.0.0.1:8095/feed/", "ftp://a/b", "https:///feed/"])
def test_a_url_that_is_none_is_told_before_anything_is_kept(place: World, url: str) -> None:
    spool = place.home / "spool"
    for done in (
        place.run(*words(place, url, "--spool", str(spool))),
        place.run(*words(place, url, "--cron")),
        place.run("inventory", "relay", "--to", url, "--spool", str(place.home)),
    ):
        assert (done.returncode, done.stdout) == (2, b"")
        assert b"is no URL like https://HOST:PORT/PATH" in done.stderr and b"kept" not in done.stderr
    assert not spool.exists() and kept(place) == []


def test_plain_http_to_a_tls_port_and_the_other_way_round_are_told(
    place: World, secure: ScriptedCollector, collector: ScriptedCollector
) -> None:
    done = send(place, secure, "--to", secure.url.replace("https", "http"))
    assert done.returncode == 1 and b"does it want https://?" in done.stderr
    done = send(place, collector, "--to", collector.url.replace("http", "https"))
    assert done.returncode == 1 and b"it speaks plain http there, no https" in done.stderr


def test_who_sits_at_a_terminal_is_told_at_once_that_it_is_tried_again(
    place: World, collector: ScriptedCollector
) -> None:
    collector.answers = [Answer(503), Answer(503)]
    ours, theirs = os.openpty()
    run = place.start(*words(place, collector.url, retry_for=60), stderr=theirs)
    os.close(theirs)
    assert run.wait(60 * TIME_SCALE) == 0
    said = os.read(ours, 4096)
    os.close(ours)
    assert said.count(b"\n") == 1 and b"503: OK: trying again for up to 60 s" in said
    collector.answers = [Answer(503)]
    assert send(place, collector, retry_for=60).stderr == b""
