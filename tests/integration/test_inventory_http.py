"""Requests that lie about themselves, and clients that take all the time there is: refused in time, others served."""

import socket
import threading
from collections.abc import Iterator

import pytest

from headless.inventory.collect.access import Access
from inventory_server import CollectorServer, open_socket, post, read_all, read_status, talk, write_report
from support import TIME_SCALE, wait_for

HEAD_S = 1.0 * TIME_SCALE
SETTINGS = f"""
max_report = 100000

[feeds.feed]
sites = ["*"]
networks = ["127.0.0.0/8"]

[serve]
head_s = {HEAD_S}
body_s = {2 * HEAD_S}
max_connections = 240
max_per_source = 200
max_in_flight = 1000000
"""
LINE = b"POST /feed/ HTTP/1.1\r\n"
HEAD = LINE + b"Host: x\r\nConnection: close\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorServer]:
    """A collector of little patience."""
    with CollectorServer(tmp_path_factory.mktemp("collector"), SETTINGS) as server:
        yield server.start()


@pytest.fixture(autouse=True)
def _check_health(server: CollectorServer) -> Iterator[None]:
    yield
    assert read_status(talk(server.port, post("/feed/", b"still well"))) == 200
    assert "Traceback" not in server.log
    assert "bug" not in server.log


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n4\r\nbody\r\n0\r\n\r\n", 400),
        (HEAD + b"Content-Length: -1\r\n\r\nbody", 400),
        (HEAD + b"Content-Length: +4\r\n\r\nbody", 400),
        (HEAD + b"Content-Length: 0x4\r\n\r\nbody", 400),
        (HEAD + b"Content-Length: 4, 5\r\n\r\nbody", 400),
        (HEAD + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nbody", 400),
        (HEAD + b"Content-Length: \r\n\r\nbody", 400),
        (HEAD + b"Content-Length: " + b"9" * 19 + b"\r\n\r\nbody", 413),
        (HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nbody", 400),
        (HEAD + b"Content-Length : 4\r\n\r\nbody", 400),
        (HEAD + b"Content-Length: 4\r\n folded: 1\r\n\r\nbody", 400),
        (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
        (HEAD + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nbody\r\n0\r\n\r\n", 400),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n-4\r\nbody\r\n0\r\n\r\n", 400),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\nbodybody\r\n0\r\n\r\n", 400),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 30 + b"\r\nbody", 400),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (HEAD + b"X: \0\r\nContent-Length: 4\r\n\r\nbody", 400),
        (b"POST /feed/ HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody", 400),
        (LINE + b"Host: a\r\nHost: b\r\nContent-Length: 4\r\n\r\nbody", 400),
        (b"POST /feed/ HTTP/2.0\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody", 505),
        (b"POST /fe ed/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"PO\xffST /feed/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"POST /\xff/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"POST /%ff%00/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
        (b"POST * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
        (b"CONNECT feed:80 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100 + b"\r\n\r\n", 400),
        (LINE + b"X: y\r\n" * 10_000 + b"\r\n", 400),
        (LINE + b"X: " + b"y" * 100_000, 400),
        (b"POST /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n", 400),
        (HEAD + b"Upgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 4\r\n\r\nbody", 200),
    ],
)
def test_lies(server: CollectorServer, request_bytes: bytes, status: int) -> None:
    assert read_status(talk(server.port, request_bytes)) == status


def test_a_length_that_is_too_small_takes_what_it_says(server: CollectorServer) -> None:
    """What follows is the next request, and none."""
    report = write_report("short.example.org")
    head = LINE + f"Host: x\r\nContent-Length: {len(report)}\r\n\r\n".encode()
    answer = talk(server.port, head + report + b"more")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert len(server.wait_fate("short.example.org")) == 1


def test_a_length_that_is_too_large_is_not_stored(server: CollectorServer) -> None:
    report = write_report("long.example.org")
    assert read_status(talk(server.port, post("/feed/", report, length=len(report) + 1))) == 408
    assert read_status(talk(server.port, post("/feed/", report, length=len(report) + 1), half_close=True)) == 0
    check = write_report("after.example.org")
    assert read_status(talk(server.port, post("/feed/", check))) == 200
    server.wait_fate("after.example.org")
    assert server.find_fates("long.example.org") == []


@pytest.mark.parametrize("path", ["/login", "/api/v1/conform"])
def test_a_body_that_is_cut_off_is_no_bug(server: CollectorServer, path: str) -> None:
    token = Access(str(server.state / "access.json")).add(f"asker{path.count('/')}", "admin", (), "")
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 100\r\n\r\n"
    with open_socket(server.port) as channel:
        channel.sendall(head.encode() + b"begin")


def test_requests_one_after_the_other_without_waiting(server: CollectorServer) -> None:
    reports = [write_report("pipeline.example.org", str(number)) for number in range(20)]
    requests = [post("/feed/", report).replace(b"Connection: close\r\n", b"") for report in reports[:-1]]
    answer = talk(server.port, b"".join(requests) + post("/feed/", reports[-1]))
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 20
    assert len(server.wait_fate("pipeline.example.org", 20)) == 20


def test_a_client_that_sends_all_before_it_reads(server: CollectorServer) -> None:
    """It hears that its report is too large, and not only that it was cut off."""
    assert read_status(talk(server.port, post("/feed/", b"x" * 5_000_000))) == 413


def test_a_client_that_never_stops(server: CollectorServer) -> None:
    with open_socket(server.port) as channel:
        channel.sendall(HEAD + b"Content-Length: 99999999999\r\n\r\n")
        with pytest.raises(OSError, match=r"reset|[Bb]roken pipe"):
            while True:
                channel.sendall(b"x" * 1_000_000)


@pytest.mark.parametrize(
    ("first", "status"),
    [
        (b"", 0),
        (b"POST /fe", 408),
        (HEAD + b"X-Slow: ", 408),
        (HEAD + b"Content-Length: 10\r\n\r\nbody", 408),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", 408),
    ],
)
def test_nobody_waits_for_ever(server: CollectorServer, first: bytes, status: int) -> None:
    assert read_status(talk(server.port, first)) == status


def test_an_answer_that_nobody_reads(server: CollectorServer) -> None:
    with open_socket(server.port) as channel:
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        channel.sendall(post("/feed/", b"x"))
        channel.settimeout(None)
        wait_for(lambda: read_status(talk(server.port, post("/feed/", b"x"))) == 200, "an answer to another")


class Tricklers:
    """Clients that send a byte now and then, from an address of their own."""

    def __init__(self, port: int, count: int, source: str, first: bytes) -> None:
        self.channels = [open_socket(port, source) for _ in range(count)]
        for channel in self.channels:
            channel.sendall(first)
            channel.setblocking(False)
        self.is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self.is_over.wait(0.2 * TIME_SCALE):
            for channel in self.channels:
                try:
                    channel.send(b"x")
                except OSError:
                    continue

    def read_statuses(self) -> list[int]:
        """Wait until all of them were shown out; how."""
        statuses = []
        for channel in self.channels:
            channel.settimeout(30 * TIME_SCALE)
            with channel:
                statuses.append(read_status(read_all(channel)))
        self.is_over.set()
        self._thread.join()
        return statuses


@pytest.mark.parametrize("first", [b"", LINE + b"X: ", HEAD + b"Content-Length: 90000\r\n\r\n"])
def test_two_hundred_tricklers(server: CollectorServer, first: bytes) -> None:
    tricklers = Tricklers(server.port, 200, "127.0.0.2", first)
    host = f"beside{len(first)}.example.org"
    for version in range(10):
        assert read_status(talk(server.port, post("/feed/", write_report(host, str(version))))) == 200
    assert set(tricklers.read_statuses()) <= {408, 400}
    assert len(server.wait_fate(host, 10)) == 10


def test_one_source_does_not_take_all_connections(server: CollectorServer) -> None:
    channels = [open_socket(server.port, "127.0.0.3") for _ in range(200)]
    answer = talk(server.port, post("/feed/", b"x"), source="127.0.0.3")
    assert read_status(answer) == 503
    assert b"\r\nretry-after: " in answer
    assert read_status(talk(server.port, post("/feed/", b"x"), source="127.0.0.4")) == 200
    for channel in channels:
        channel.close()
    wait_for(lambda: read_status(talk(server.port, post("/feed/", b"x"), source="127.0.0.3")) == 200, "room again")


def test_too_many_from_everywhere(server: CollectorServer) -> None:
    channels = [open_socket(server.port, f"127.0.1.{number % 3 + 1}") for number in range(240)]
    answer = talk(server.port, post("/feed/", b"x"), source="127.0.0.5")
    assert read_status(answer) == 503
    assert b"\r\nretry-after: " in answer
    for channel in channels:
        channel.close()
    wait_for(lambda: read_status(talk(server.port, post("/feed/", b"x"), source="127.0.0.5")) == 200, "room again")


def test_bodies_at_once_do_not_take_all_memory(server: CollectorServer) -> None:
    """Twelve of 90,000 bytes, all but the last of each, where a million bytes may be in memory."""
    head = post("/feed/", b"", length=90_000)
    channels = [open_socket(server.port) for _ in range(12)]
    for channel in channels:
        channel.sendall(head + b"x" * 89_999)
    answers = [read_status(read_all(channel)) for channel in channels]
    assert sorted(set(answers)) == [408, 503]
    for channel in channels:
        channel.close()
