"""Feeds: what the existing clients send is taken as they send it, answered as they expect it, and stored."""

import http.client
import json
import os
import ssl
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from authority import Authority
from headless.inventory.collect.access import Access
from headless.inventory.package import Package
from headless.inventory.report import Report
from headless.inventory.seal import seal
from headless.inventory.text import write_text
from inventory_identities import Holder, make_holder
from inventory_server import TLS, CollectorServer, post, read_status, talk, write_report
from inventory_support import make_report
from support import HEADLESS, TIME_SCALE, wait_for

SETTINGS = """
keys = ["both.pem"]
max_report = 100000

[feeds.feed]
sites = ["*"]
networks = ["127.0.0.0/8", "198.51.100.0/24"]

[feeds.package-report]
sites = ["*"]
site = "ELSEWHERE"
networks = ["127.0.0.0/8"]
answer = "200 th4nk y0u"

[feeds.token]
sites = ["*"]
tokens = ["site-a"]

[feeds.far]
sites = ["*"]
networks = ["192.0.2.0/24"]

[feeds.nobody]
sites = ["*"]

[serve]
proxies = ["127.0.0.9/32"]
"""
PAKITI2_LINES = "'bash' '0:5.1.8' '9.el9' 'x86_64'\n'libstdc%2b%2b' '0:11.5.0' '2.el9' 'x86_64'\n"


@pytest.fixture(scope="module")
def holder(tmp_path_factory: pytest.TempPathFactory) -> Holder:
    """Whose reports are sealed for."""
    return make_holder(tmp_path_factory.mktemp("keys"), "collector")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, holder: Holder) -> Iterator[CollectorServer]:
    """A collector with a feed for each purpose."""
    folder = tmp_path_factory.mktemp("collector")
    (folder / "both.pem").write_bytes(holder.certificate_file.read_bytes() + holder.key_file.read_bytes())
    with CollectorServer(folder, SETTINGS) as server:
        yield server.start()


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorServer]:
    """A collector that asks for client certificates."""
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority(folder)
    authority.issue_server()
    authority.issue("site-a")
    authority.issue("site-b")
    with CollectorServer(folder, TLS) as server:
        yield server.start()


def run(*words: str, stdin: bytes = b"") -> str:
    """Run a client; it must succeed."""
    done = subprocess.run(words, input=stdin, capture_output=True, check=False, timeout=30 * TIME_SCALE)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def check_stored(server: CollectorServer, host: str) -> None:
    """It must get stored."""
    ((fate, reason, _),) = server.wait_fate(host)
    assert (fate, reason) == ("stored", "new")


def test_our_reporter(server: CollectorServer, tmp_path: Path) -> None:
    words = ["inventory", "report", "--site", "HERE", "--host", "ours.example.org"]
    run(HEADLESS, *words, "--to", f"http://127.0.0.1:{server.port}/feed/", "--spool", str(tmp_path / "spool"))
    check_stored(server, "ours.example.org")


def test_curl(server: CollectorServer, tmp_path: Path) -> None:
    """As pakiti-client 3 does without LWP."""
    file = tmp_path / "report"
    file.write_bytes(write_report("curl.example.org"))
    url = f"http://127.0.0.1:{server.port}/feed/?protocol=5"
    assert run("curl", "--silent", "--data-binary", f"@{file}", url) == "OK\n"
    check_stored(server, "curl.example.org")


@pytest.mark.peer("wget")
def test_wget(server: CollectorServer, tmp_path: Path) -> None:
    file = tmp_path / "report"
    file.write_bytes(write_report("wget.example.org"))
    url = f"http://127.0.0.1:{server.port}/package-report/?protocol=5"
    assert run("wget", "-q", "-O", "-", f"--post-file={file}", url) == "200 th4nk y0u\n"
    check_stored(server, "wget.example.org")


@pytest.mark.peer("lwp-request")
def test_lwp(server: CollectorServer, holder: Holder) -> None:
    """The library that pakiti-client 3 uses where it is there, with the type that the client gives all it sends."""
    body = seal(write_report("lwp.example.org"), [holder.certificate])
    url = f"http://127.0.0.1:{server.port}/feed?mode=store-only&protocol=5"
    words = ("lwp-request", "-m", "POST", "-s", "-c", "application/x-www-form-urlencoded", url)
    assert run(*words, stdin=body) == "200 OK\nOK\n"
    check_stored(server, "lwp.example.org")


def test_the_request_of_pakiti_client_3(server: CollectorServer, holder: Holder) -> None:
    """The client itself is in no distribution: this is its request, byte by byte, as it was once captured."""
    body = seal(write_report("pakiti3.example.org"), [holder.certificate])
    head = (
        f"POST /feed/?protocol=5 HTTP/1.1\r\nTE: deflate,gzip;q=0.3\r\nConnection: TE, close\r\n"
        f"Host: 127.0.0.1:{server.port}\r\nUser-Agent: libwww-perl/6.68\r\nContent-Length: {len(body)}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    )
    answer = talk(server.port, head.encode() + body)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\nOK\n")
    check_stored(server, "pakiti3.example.org")


@pytest.mark.parametrize("form", ["PEM", "SMIME", "DER"])
def test_sealed_by_openssl(server: CollectorServer, holder: Holder, tmp_path: Path, form: str) -> None:
    host = f"{form.lower()}.example.org"
    file = tmp_path / "report"
    file.write_bytes(write_report(host))
    words = ("openssl", "smime", "-encrypt", "-binary", "-aes-256-cbc", "-outform", form, "-in", str(file))
    sealed = tmp_path / "sealed"
    run(*words, "-out", str(sealed), str(holder.certificate_file))
    assert read_status(talk(server.port, post("/feed/", sealed.read_bytes()))) == 200
    check_stored(server, host)


@pytest.mark.parametrize("is_compressed", [False, True])
def test_glpis_inventory(server: CollectorServer, is_compressed: bool) -> None:
    """As glpi-injector posts a file; the agent's own dialogue before it is not spoken."""
    host = f"glpi-{is_compressed}.example.org".lower()
    content = {"hardware": {"name": host}, "softwares": [{"name": "bash", "version": "5.2-1", "from": "deb"}]}
    body = json.dumps({"action": "inventory", "deviceid": "d", "content": content}).encode()
    if is_compressed:
        body = zlib.compress(body)
    assert talk(server.port, post("/package-report/", body)).endswith(b"\r\n\r\n200 th4nk y0u\n")
    check_stored(server, host)


def test_pakiti_2_with_curl(server: CollectorServer, tmp_path: Path) -> None:
    file = tmp_path / "packages"
    file.write_text(PAKITI2_LINES)
    text = "type=rpm host=two.example.org tag=Pakiti kernel=5.14.0 arch=x86_64 version=4 os=Alma report=0 proxy=0"
    fields = {**dict(field.split("=") for field in text.split()), "pkgs": f"<{file}"}
    words = [word for name, value in fields.items() for word in ("-F", f"{name}={value}")]
    assert run("curl", "-s", *words, f"http://127.0.0.1:{server.port}/package-report/") == "200 th4nk y0u\n"
    check_stored(server, "two.example.org")


def test_pakiti_2_by_hand(server: CollectorServer) -> None:
    """HTTP/1.0, lines that end in LF, no host, a length two bytes too small, and it does not wait to be asked."""
    body = f"type=rpm&host=hand.example.org&os=AlmaLinux 9&arch=x86_64&tag=t&kernel=5&version=4&pkgs=\n{PAKITI2_LINES}"
    head = "POST /package-report/ HTTP/1.0\nContent-Type: application/x-www-form-urlencoded\n"
    request = f"{head}Content-Length: {len(body) - 2}\n\n{body}".encode()
    assert talk(server.port, request, half_close=True).endswith(b"\r\n\r\n200 th4nk y0u\n")
    check_stored(server, "hand.example.org")


def test_pakiti_2_by_openssl(tls_server: CollectorServer) -> None:
    body = f"type=rpm&host=s-client.example.org&os=A&arch=x&tag=t&kernel=5&version=4&pkgs=\n{PAKITI2_LINES}"
    request = f"POST /feed/ HTTP/1.0\nContent-Length: {len(body) - 2}\n\n{body}".encode()
    folder = tls_server.folder
    words = ["openssl", "s_client", "-quiet", "-CAfile", str(folder / "ca.pem"), "-cert", str(folder / "site-a.pem")]
    words += ["-key", str(folder / "site-a.key"), "-connect", f"127.0.0.1:{tls_server.port}"]
    done = subprocess.run(words, input=request, capture_output=True, check=False, timeout=30 * TIME_SCALE)
    assert done.stdout.endswith(b"\r\n\r\nOK\n")
    check_stored(tls_server, "s-client.example.org")


def test_one_connection_many_reports(server: CollectorServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30 * TIME_SCALE)
    for version in ("1", "2", "3"):
        connection.request("POST", "/feed/", write_report("keep.example.org", version))
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"OK\n")
    connection.request("POST", "/feed/", iter([write_report("chunks.example.org")]))  # of no known length
    assert connection.getresponse().status == 200
    connection.close()
    assert len(server.wait_fate("keep.example.org", 3)) == 3
    check_stored(server, "chunks.example.org")


def test_all_bodies_are_answered_alike(server: CollectorServer, holder: Holder, tmp_path: Path) -> None:
    """Whoever changes a sealed report bit by bit, to learn from the answers what is in it, learns nothing."""
    good = seal(write_report("oracle.example.org"), [holder.certificate])
    stranger = make_holder(tmp_path, "stranger")
    bodies = [
        good,
        good[:-1],
        good[:-1] + bytes([good[-1] ^ 1]),
        seal(b"#\n", [stranger.certificate]),
        b"x",
        b"\0" * 50,
    ]
    answers = {talk(server.port, post("/feed/", body)).partition(b"\r\ncontent-length")[2] for body in bodies}
    assert len(answers) == 1
    check_stored(server, "oracle.example.org")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /feed/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405),
        (b"HEAD /feed HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405),
        (b"PUT /feed/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", 405),
        (b"BREW /feed/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405),
        (post("/feed/", b""), 400),
        (post("/feed/?mode=store-only", b" \r\n"), 400),
        (b"POST /feed/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 411),
        (post("/feed/", b"x", "Content-Encoding: gzip"), 415),
        (post("/feed/", b"x" * 100_001), 413),
        (post("/feed/", b"x", length=10**11), 413),
        (post("/feed/../../etc/passwd", b"x"), 404),
        (post("/feed/more", b"x"), 404),
        (post("/%66eed/", b"x"), 200),
        (post("http://localhost/feed/", b"x"), 200),
        (post("/far/", b"x"), 403),
        (post("/nobody/", b"x"), 403),
        (post("/far/", b"x", "X-Forwarded-For: 192.0.2.1"), 403),
        (post("/token/", b"x"), 401),
        (post("/token/", b"x", "Authorization: Bearer nonsense"), 403),
        (post("/token/", b"x", "Authorization: Basic !!!"), 401),
    ],
)
def test_answers(server: CollectorServer, request_bytes: bytes, status: int) -> None:
    """Nothing that is not stored is answered with 2xx or 3xx; nothing leads anywhere else."""
    assert read_status(talk(server.port, request_bytes)) == status


def test_who_is_refused_is_logged_once_a_while(server: CollectorServer) -> None:
    for _ in range(3):
        assert read_status(talk(server.port, post("/nobody/", b"x"), source="127.0.0.77")) == 403
    said = [line for line in server.log.splitlines() if "127.0.0.77" in line]
    assert len(said) == 1 and "may-not-send feed=nobody address='127.0.0.77'" in said[0] and "networks" in said[0]


def test_the_log_tells_which_token_may_not_send(server: CollectorServer) -> None:
    access = Access(str(server.state / "access.json"))
    reader, sender = (access.add(f"a-{role}", role, ("*",)) for role in ("reader", "sender"))
    for token in (reader, sender, "nonsense", ""):
        header = (f"Authorization: Bearer {token}",) if token else ()
        for _ in range(2):
            assert read_status(talk(server.port, post("/nobody/", b"x", *header), source="127.0.0.78")) == 403
    said = [line.partition("token=")[2].partition(" reason")[0] for line in server.log.splitlines() if ".78'" in line]
    assert said == ["'a-reader'", "'a-sender'", "'(not known)'", "''"]


def test_a_refused_report_is_logged_with_its_host_and_address(server: CollectorServer) -> None:
    report = write_text(make_report(host="late.example.org", made=1))
    assert read_status(talk(server.port, post("/feed/", report))) == 200
    assert server.wait_fate("late.example.org")[0][0] == "refused"
    wait_for(lambda: "refused feed=feed address='127.0.0.1' host='late.example.org'" in server.log, "the line")


def test_chunks_without_end(server: CollectorServer) -> None:
    """What does not say how long it is, is too long as soon as it is."""
    head = b"POST /feed/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    assert read_status(talk(server.port, head, *[chunk] * 10)) == 413


def test_a_proxy_is_believed_only_where_the_settings_name_it(server: CollectorServer) -> None:
    header = "X-Forwarded-For: 203.0.113.1, 192.0.2.1"
    assert read_status(talk(server.port, post("/far/", b"x", header), source="127.0.0.9")) == 200
    assert read_status(talk(server.port, post("/far/", b"x", header), source="127.0.0.8")) == 403
    first = "X-Forwarded-For: 192.0.2.1, 203.0.113.1"  # which the proxy was told by its client
    assert read_status(talk(server.port, post("/far/", b"x", first), source="127.0.0.9")) == 403
    ours = "X-Forwarded-For: file"  # the collector's own name for what comes by no network
    assert read_status(talk(server.port, post("/far/", b"x", ours), source="127.0.0.9")) == 403
    report = write_report("proxied.example.org")
    assert read_status(talk(server.port, post("/far/", report, header), source="127.0.0.9")) == 200
    ((_, _, how),) = server.wait_fate("proxied.example.org")
    assert json.loads(how)["address"] == "192.0.2.1"


def test_tokens(server: CollectorServer) -> None:
    words = (HEADLESS, "inventory", "token", "add", "--state", str(server.state))
    mine = run(*words, "site-a", "--role", "sender").strip()
    other = run(*words, "site-b", "--role", "sender").strip()
    reader = run(*words, "site-c", "--role", "reader", "--site", "*").strip()
    url = f"http://127.0.0.1:{server.port}/token/"
    for token, status in ((mine, "200"), (other, "403"), (reader, "403")):
        show = ("curl", "-s", "-o", os.devnull, "-w", "%{http_code}", "--data-binary", "x", url)
        assert run(*show, "-H", f"Authorization: Bearer {token}") == status
        assert run(*show, "-u", f"anybody:{token}") == status
    run(HEADLESS, "inventory", "token", "remove", "--state", str(server.state), "site-a")
    assert read_status(talk(server.port, post("/token/", b"x", f"Authorization: Bearer {mine}"))) == 403


def test_client_certificates(tls_server: CollectorServer) -> None:
    answers = {}
    for name in ("", "site-a", "site-b"):
        context = ssl.create_default_context(cafile=str(tls_server.folder / "ca.pem"))
        if name:
            context.load_cert_chain(tls_server.folder / f"{name}.pem", tls_server.folder / f"{name}.key")
        connection = http.client.HTTPSConnection("127.0.0.1", tls_server.port, timeout=30 * TIME_SCALE, context=context)
        connection.request("POST", "/feed/", write_report(f"{name or 'none'}.example.org"))
        answers[name] = connection.getresponse().status
        connection.close()
    assert answers == {"": 403, "site-a": 200, "site-b": 403}
    ((fate, _, how),) = tls_server.wait_fate("site-a.example.org")
    assert (fate, json.loads(how)["subject"]) == ("stored", "CN=site-a")


def test_plain_http_to_tls(tls_server: CollectorServer) -> None:
    assert read_status(talk(tls_server.port, post("/feed/", b"x"))) == 0


def test_a_certificate_of_another_authority(tls_server: CollectorServer, tmp_path: Path) -> None:
    Authority(tmp_path).issue("site-a")
    context = ssl.create_default_context(cafile=str(tls_server.folder / "ca.pem"))
    context.load_cert_chain(tmp_path / "site-a.pem", tmp_path / "site-a.key")
    connection = http.client.HTTPSConnection("127.0.0.1", tls_server.port, timeout=30 * TIME_SCALE, context=context)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        connection.request("POST", "/feed/", b"x")
        connection.getresponse()
    connection.close()


def test_who_shows_a_certificate_that_is_not_trusted_is_told_so(tls_server: CollectorServer, tmp_path: Path) -> None:
    certificate, key = Authority(tmp_path).issue("site-a")
    many = tuple(Package("rpm", f"lib{number}", f"0:{number}-1", "x86_64") for number in range(20_000))
    (tmp_path / "report").write_bytes(write_text(Report(host="untrusted", site="S", packages=many)))
    url = f"https://localhost:{tls_server.port}"
    given = ("--ca-file", str(tls_server.folder / "ca.pem"), "--certificate", certificate, "--key", key)
    report = ("report", "--site", "S", "--input", str(tmp_path / "report"), "--to", f"{url}/feed/", "--retry-for", "60")
    for words in (report, ("hosts", "--collector", url)):
        done = subprocess.run(
            [HEADLESS, "inventory", *words, *given], capture_output=True, text=True, timeout=40 * TIME_SCALE,
            check=False, env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        )  # fmt: skip
        assert done.returncode == 5 and "does not take the certificate that it was shown" in done.stderr, done.stderr
    assert tls_server.log.count("certificate-not-trusted") == 1 and "see 'client_ca'" in tls_server.log


def test_who_is_refused_can_be_found(server: CollectorServer) -> None:
    """By the name of a token, where the report could not be opened and tells no host."""
    assert "token-unknown feed=token token='site-a'" in server.log
    token = Access(str(server.state / "access.json")).add("site-a", "sender", ())
    answer = talk(server.port, post("/token/", b"\x30\x82nonsense", f"Authorization: Bearer {token}"))
    assert read_status(answer) == 200
    server.wait_fate("", 1)
    told = json.loads(run(HEADLESS, "inventory", "review", "list", "--refused", "--json", "--state", str(server.state)))
    assert ("site-a", "", "token") in [(row["token"], row["certificate"], row["feed"]) for row in told["rows"]]
    Access(str(server.state / "access.json")).remove("site-a")
