"""Sending reports: answers of all kinds, the spool, proxies, TLS, two at once, a relay."""

import os
import resource
import shutil
import signal
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from authority import Authority
from headless.errors import ParameterError
from headless.inventory.delivery import Delivery, deliver
from headless.inventory.formats import parse_report
from headless.inventory.outbox import Outbox
from headless.inventory.send import Collector
from inventory_collector import Answer, ScriptedCollector, run_collector
from inventory_roots import make_debian
from support import HEADLESS, World, wait_for


@pytest.fixture
def collector() -> Iterator[ScriptedCollector]:
    """A collector."""
    with run_collector() as server:
        yield server


@pytest.fixture
def place(world: World) -> World:
    """A world with a Debian in the folder "root"."""
    make_debian(world.home / "root")
    return world


def words(world: World, url: str, *more: str, retry_for: int = 0) -> list[str]:
    """The command line that reports there."""
    root = str(world.home / "root")
    base = ["inventory", "report", "--site", "S", "--root", root, "--to", url, "--retry-for", str(retry_for)]
    return base + list(more)


def kept(world: World) -> list[Path]:
    """What is in the spool."""
    return sorted((world.home / ".local/state/headless/inventory").glob("*/*.report"))


def send(
    world: World, collector: ScriptedCollector, *more: str, retry_for: int = 0
) -> "subprocess.CompletedProcess[bytes]":
    """Report to a collector."""
    return world.run(*words(world, collector.url, *more, retry_for=retry_for))


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


def test_plain_speaks_to_pakitis_own_collector(place: World, collector: ScriptedCollector) -> None:
    assert send(place, collector, "--plain").returncode == 0
    assert collector.taken[0].path == "/feed/wlcg?protocol=5"
    assert b"sha256" not in collector.bodies[0]


def test_the_answer_may_have_to_end_as_expected(place: World, collector: ScriptedCollector) -> None:
    collector.answers = [Answer(body=b"200 th4nk y0u\n"), Answer(body=b"version doesn't correspond")]
    assert send(place, collector, "--expect", "200 th4nk y0u").returncode == 0
    done = send(place, collector, "--expect", "200 th4nk y0u")
    assert done.returncode == 1 and b"doesn't correspond" in done.stderr


@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_what_is_not_taken_is_kept_and_sent_before_the_next(
    place: World, collector: ScriptedCollector, status: int
) -> None:
    collector.answers = [Answer(status), Answer(status)]
    for _ in range(2):
        done = send(place, collector)
        assert done.returncode == 1 and b"sent the next time" in done.stderr and done.stderr.count(b"\n") == 1
    assert len(kept(place)) == 2
    waiting = [path.read_bytes() for path in kept(place)]
    assert send(place, collector).returncode == 0
    assert collector.bodies[2:4] == waiting and len(collector.bodies) == 5
    assert kept(place) == []
    folders = list(place.home.glob(".local/state/headless/inventory/*"))
    assert [path.stat().st_mode & 0o777 for path in folders] == [0o700]


def test_a_collector_that_is_away_comes_back_within_the_time(place: World, collector: ScriptedCollector) -> None:
    collector.answers = [Answer(503, {"Retry-After": "1"}), Answer(503)]
    began = time.monotonic()
    assert send(place, collector, retry_for=60).returncode == 0
    assert time.monotonic() - began >= 1.5  # a second as was asked for, and at least another one
    assert len(set(collector.bodies)) == 1


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_collector_that_asks_for_time_is_not_asked_before(
    place: World, collector: ScriptedCollector, form: str
) -> None:
    after = "3600" if form == "seconds" else formatdate(time.time() + 3600, usegmt=True)
    collector.answers = [Answer(503, {"Retry-After": after})]
    assert send(place, collector).returncode == 1
    done = send(place, collector)
    assert done.returncode == 1 and b"asked not to be asked again" in done.stderr
    assert len(collector.taken) == 1 and len(kept(place)) == 2
    [mark] = place.home.glob(".local/state/headless/inventory/*/.retry-at")
    mark.write_text(f"{time.time() - 1}\n")
    assert send(place, collector).returncode == 0
    assert len(collector.taken) == 4 and not mark.exists()


@pytest.mark.parametrize("after", ["-1", "1e9", "soon", "9" * 40, "\u0663", ""])
def test_an_odd_time_to_wait_for_is_none(place: World, collector: ScriptedCollector, after: str) -> None:
    collector.answers = [Answer(503, {"Retry-After": after.encode().decode("latin-1")})]
    assert send(place, collector).returncode == 1
    assert send(place, collector).returncode == 0


@pytest.mark.parametrize("status", [400, 413, 422])
def test_what_will_never_be_taken_is_not_kept(place: World, collector: ScriptedCollector, status: int) -> None:
    collector.answers = [Answer(status, body=b"cut short")]
    done = send(place, collector)
    assert done.returncode == 2 and b"cut short" in done.stderr
    assert kept(place) == []


def test_one_that_is_never_taken_holds_up_no_other(place: World, collector: ScriptedCollector) -> None:
    collector.answers = [Answer(503), Answer(413)]
    send(place, collector)
    done = send(place, collector)
    assert done.returncode == 0 and b"taken out of the spool" in done.stderr
    assert kept(place) == [] and len(collector.taken) == 3


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


def test_without_a_home_it_is_sent_all_the_same(place: World, collector: ScriptedCollector) -> None:
    environment = {"HOME": "/proc/nowhere"}
    assert place.run(*words(place, collector.url), environment=environment).returncode == 0
    collector.answers = [Answer(503)]
    done = place.run(*words(place, collector.url), environment=environment)
    assert done.returncode == 1 and b"no spool to keep it in" in done.stderr


def test_two_at_once_send_nothing_twice(place: World, collector: ScriptedCollector) -> None:
    collector.answers = [Answer(503), Answer(503)]
    send(place, collector)
    send(place, collector)
    go = threading.Event()
    collector.has_come.clear()
    collector.answers = [Answer(hold=go)]
    runs = [place.start(*words(place, collector.url, retry_for=60)) for _ in range(3)]
    assert collector.has_come.wait(30)
    go.set()
    assert [run.wait(60) for run in runs] == [0, 0, 0]
    assert len(collector.bodies) == 2 + 2 + 3
    waiting = collector.bodies[:2]
    assert [collector.bodies[2:].count(body) >= 1 for body in waiting] == [True, True]
    assert kept(place) == []


def test_a_run_that_does_not_get_its_turn_keeps_its_report(place: World, collector: ScriptedCollector) -> None:
    collector.answers = [Answer(503)]
    send(place, collector)
    folder = kept(place)[0].parent
    with Outbox(str(folder)).turn(0) as is_ours:
        assert is_ours
        done = send(place, collector)
    assert done.returncode == 1 and b"another run is sending" in done.stderr
    assert len(kept(place)) == 2 and len(collector.taken) == 1


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
    done = send(place, secure)
    assert done.returncode == 1 and b"certificate verify failed" in done.stderr.lower() and secure.taken == []
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


def test_a_relay_sends_what_others_have_spooled(place: World, collector: ScriptedCollector) -> None:
    spool = str(place.home / "spool")
    for tag in ("one", "two"):
        root = str(place.home / "root")
        done = place.run("inventory", "report", "--site", "S", "--root", root, "--tag", tag, "--spool", spool)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    (place.home / "spool/evil.report").symlink_to("/etc/passwd")
    relay = ("inventory", "relay", "--spool", spool, "--to", collector.url, "--retry-for", "0")
    collector.answers = [Answer(503)]
    assert place.run(*relay).returncode == 1
    done = place.run(*relay)
    assert done.returncode == 1 and b"evil.report was left there: it is no report" in done.stderr
    assert b"1 of the reports in" in done.stderr
    assert [parse_report(body).tag for body in collector.bodies] == ["one", "one", "two"]
    assert os.listdir(spool).count("evil.report") == 1
    (place.home / "spool/evil.report").unlink()
    assert place.run(*relay).returncode == 0
    assert place.run("inventory", "relay", "--spool", spool).returncode == 2
    done = place.run("inventory", "relay", "--spool", spool + "2", "--to", collector.url)
    assert done.returncode == 2 and b"no such folder" in done.stderr and not (place.home / "spool2").exists()


def test_what_another_user_has_spooled_is_named_and_left(place: World, collector: ScriptedCollector) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can run as somebody else")
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o1777)
    spool = Outbox(str(folder))
    spool.put(b"report")

    said: list[str] = []
    delivery = Delivery(Collector(url=collector.url), Outbox(str(folder)), 0, said.append)
    os.seteuid(65534)
    try:
        assert deliver(delivery, None) == 1
        assert len(said) == 1 and said[0].endswith("was left there: Permission denied: it is of root")
        (folder / ".lock").unlink()
        os.seteuid(0)
        with spool.turn(0):
            os.seteuid(65534)
            with pytest.raises(
                ParameterError,
                match=r"root sends from the spool .*\.lock.*: run this as root, or .* with --spool; what waits",
            ):
                deliver(delivery, None)
        assert collector.taken == [] and len(spool.names()) == 1
    finally:
        os.seteuid(0)
        shutil.rmtree(folder)


def test_a_signal_ends_it_and_the_report_is_kept(place: World, collector: ScriptedCollector) -> None:
    collector.answers = [Answer(503)]
    run = place.start(*words(place, collector.url, retry_for=600))
    assert collector.has_come.wait(30)
    run.terminate()
    _, said = run.communicate(timeout=30)
    assert run.returncode == -signal.SIGTERM and b"ended by SIGTERM: not sent; kept in" in said
    assert [path.read_bytes() for path in kept(place)] == collector.bodies[:1]


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


def test_a_spool_of_somebody_else_is_not_used(place: World, collector: ScriptedCollector) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a folder somebody else's")
    folder = place.home / "theirs"
    folder.mkdir()
    os.chown(folder, 12345, 12345)
    done = send(place, collector, "--spool", str(folder))
    assert done.returncode == 2 and b"belongs to user 12345" in done.stderr and collector.taken == []


def test_a_spool_that_is_full_loses_the_oldest_and_says_so(tmp_path: Path) -> None:
    outbox = Outbox(str(tmp_path / "spool"), count_limit=3, byte_limit=1000)
    first = [outbox.put(f"{number}".encode()) for number in range(3)]
    assert first == [[], [], []]
    oldest = outbox.names()[0]
    assert outbox.put(b"3") == [oldest]
    assert len(outbox.put(b"x" * 990)) == 1
    assert len(outbox.put(b"y" * 990)) == 3 and len(outbox.names()) == 1
    assert outbox.put(b"z" * 2000) != [] and len(outbox.names()) == 1


def test_a_killed_run_leaves_whole_reports_only(place: World, collector: ScriptedCollector) -> None:
    go = threading.Event()
    collector.answers = [Answer(503), Answer(hold=go)]
    send(place, collector)
    collector.has_come.clear()
    run = place.start(*words(place, collector.url, retry_for=60))
    assert collector.has_come.wait(30)
    run.kill()
    run.wait(30)
    go.set()
    wait_for(lambda: len(collector.taken) == 2, "both requests")
    assert len(kept(place)) == 1
    assert send(place, collector).returncode == 0
    assert collector.bodies[2] == collector.bodies[0] and kept(place) == []


def test_a_spool_on_a_full_disk_is_told_and_leaves_no_half_report(place: World, collector: ScriptedCollector) -> None:
    collector.answers = [Answer(503)]
    done = subprocess.run(
        [HEADLESS, *words(place, collector.url)],
        env=place.environment, capture_output=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),  # every write fails, as on a full disk
    )  # fmt: skip
    assert done.returncode == 1 and b"could not be kept" in done.stderr
    folder = place.home / ".local/state/headless/inventory"
    assert [path for path in folder.glob("*/*") if path.stat().st_size] == [] and kept(place) == []
