"""The *challenge* login against what stands between and against what was stolen: nobody gets in without the secret."""

import json
import os
import re
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from websockets.sync.server import ServerConnection, serve

from authority import Authority
from headless.protocol.codec import decode_bytes, encode_bytes
from headless.protocol.scram import LOGIN_REFUSED, Verifier, _hmac, _xor
from headless.transport.tls import build_server_context
from raw_session import PROTOCOL, RawSession, raw_session
from relay import tls_connect, tls_relay
from support import TIME_SCALE, Server, World

REFUSED = {"code": -32001, "message": LOGIN_REFUSED, "data": {"exit_code": 5}}


@pytest.fixture(scope="module")
def server(home: World) -> Server:
    server = home.serve()
    server.add_user("batch", "--allow-code")
    server.add_user("off", "--allow-code")
    server.user("disable", "off")
    return server


@pytest.fixture
def fresh(home: World, server: Server) -> Callable[[], None]:
    """Have the server forget what failed before: throttling is not the subject here."""

    def forget() -> None:
        with raw_session(server.service) as session:
            assert "result" in session.log_in("batch", read_secret(home))

    forget()
    return forget


def read_secret(home: World, name: str = "batch") -> bytes:
    return (home.home / f"{name}.secret").read_bytes().strip()


def login_options(home: World, service: str) -> list[str]:
    return ["-s", service, "-u", "batch", "-p", str(home.home / "batch.secret")]


@pytest.mark.usefixtures("fresh")
def test_a_man_in_the_middle_with_the_right_secret_passing_fails_on_both_sides(home: World, server: Server) -> None:
    """A real one: his own certificate towards the launcher, his own connection to the server, every byte relayed."""
    certificate, key = Authority(home.home, "stranger").issue_server("middle")
    with tls_relay(certificate, key, tls_connect(server.service)) as service:
        done = home.run(*login_options(home, service), "-c", "open('/proof','w')", "-t", "-1")
    assert done.returncode == 5
    assert done.stderr.decode().startswith(f"headless: {LOGIN_REFUSED}")
    lines = [line for line in server.log.splitlines() if "action=refused" in line]
    assert re.search(r"WARNING action=refused session=\w{8} from=127.0.0.1 user='batch' method=login.proof", lines[-1])
    assert "action=accept" not in server.log
    # The same bytes with the server's own certificate pass: it was the binding that stopped him.
    own = tls_relay(str(server.state / "server.pem"), str(server.state / "server.key"), tls_connect(server.service))
    with own as service:
        assert home.run(*login_options(home, service), "--check", "-c", "pass").returncode == 0


def test_a_server_that_does_not_know_the_user_is_found_out_by_the_launcher(home: World) -> None:
    """It answers as a server would, and takes any proof: but it cannot make the signature."""

    def pretend(connection: ServerConnection) -> None:
        for text in connection:
            request = json.loads(text)
            if request["method"] == "login.challenge":
                nonce = request["params"]["client_first"].rpartition("r=")[2]
                salt = encode_bytes(b"0123456789abcdef")
                result = {"server_first": f"r={nonce}more,s={salt},i=4096"}
            else:
                result = {"server_final": f"v={encode_bytes(bytes(32))}", "user": "batch"}
            connection.send(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}))

    pair = Authority(home.home, "impostor").issue_server("fake")
    with serve(pretend, "127.0.0.1", 0, ssl=build_server_context(*pair, None), subprotocols=PROTOCOL) as fake:
        thread = threading.Thread(target=fake.serve_forever)
        thread.start()
        port = fake.socket.getsockname()[1]
        done = home.run(*login_options(home, f"127.0.0.1:{port}"), "-c", "pass", "-t", "-1")
        fake.shutdown()
        thread.join()
    assert done.returncode == 5
    assert b"the server could not prove that it knows this user" in done.stderr


def answers(server: Server, user: str, secret: bytes) -> list[str]:
    """All that the server says to a login, its random parts replaced by their lengths."""
    with raw_session(server.service) as session:
        session.log_in(user, secret)
        end = f"close {session.expect_close()} {session.connection.close_reason}"
        texts = [re.sub(r"(?<=[rs]=)[^,\"]+", lambda found: f"<{len(found[0])}>", text) for text in session.received]
        return [*texts, end]


def test_unknown_user_wrong_secret_and_disabled_user_are_told_the_same_byte_for_byte(
    home: World, server: Server, fresh: Callable[[], None]
) -> None:
    right, wrong = read_secret(home), b"$2b$12$" + b"x" * 53
    seen = {}
    for case, (user, secret) in {
        "unknown": ("nobody", right),
        "wrong": ("batch", wrong),
        "disabled": ("off", read_secret(home, "off")),
    }.items():
        fresh()
        seen[case] = answers(server, user, secret)
    assert len(seen["wrong"]) == 3  # the challenge, the refusal, the close
    assert json.loads(seen["wrong"][1])["error"] == REFUSED
    assert seen == dict.fromkeys(seen, seen["wrong"])


def test_a_made_up_salt_is_the_same_after_a_restart(home: World) -> None:
    state = home.home / "salts"

    def ask() -> tuple[str, str]:
        server = home.serve(state=state, tls=False)
        with raw_session(server.unix) as session:
            salts = (
                session.result("login.salt", user="nobody")["salt"],
                session.result("login.salt", user="x")["salt"],
            )
        assert server.stop() == 0
        return salts

    first = ask()
    assert first == ask()
    assert first[0] != first[1]


@pytest.mark.usefixtures("fresh")
def test_a_recorded_proof_is_worth_nothing_a_second_time(home: World, server: Server) -> None:
    with raw_session(server.service) as session:
        assert "result" in session.log_in("batch", read_secret(home))
        recorded = session.sent
    challenge, proof = (json.loads(text)["params"] for text in recorded)
    with raw_session(server.service) as session:
        session.result("login.challenge", **challenge)
        assert session.error("login.proof", **proof) == REFUSED
        assert session.expect_close() == 1008


def test_a_proof_cannot_be_tried_twice_on_one_challenge(home: World, server: Server, fresh: Callable[[], None]) -> None:
    with raw_session(server.service) as session:
        assert session.log_in("batch", b"$2b$12$" + b"x" * 53)["error"] == REFUSED
        assert session.expect_close() == 1008
    fresh()


class Thief(RawSession):
    """Has a copy of all that the server keeps of a user, and no secret."""

    def try_key(self, key: bytes, verifier: Verifier) -> dict[str, object]:
        """Make a proof as if ``key`` were the client key."""
        bare = f"n=batch,r={encode_bytes(os.urandom(24))}"
        first = self.result("login.challenge", client_first=f"p=tls-server-end-point,,{bare}")["server_first"]
        nonce = first.split(",")[0]
        final = f"c={encode_bytes(b'p=tls-server-end-point,,' + self.binding)},{nonce}"
        signature = _hmac(verifier.stored_key, f"{bare},{first},{final}".encode())
        return self.error("login.proof", client_final=f"{final},p={encode_bytes(_xor(key, signature))}")


def test_a_stolen_users_file_logs_nobody_in(home: World, server: Server, fresh: Callable[[], None]) -> None:
    kept = json.loads((server.state / "users.json").read_text())["users"]["batch"]["secret"]
    keys = (decode_bytes(kept["stored_key"]), decode_bytes(kept["server_key"]))
    verifier = Verifier(decode_bytes(kept["salt"]), kept["iterations"], *keys)
    assert "result" not in kept and read_secret(home).decode() not in json.dumps(kept)
    for key in (*keys, bytes(32), _xor(*keys), _hmac(keys[0], b"Client Key")):
        fresh()
        with raw_session(server.service) as session:
            assert Thief(session.connection).try_key(key, verifier) == REFUSED
    for word in (*keys, *(str(kept[name]).encode() for name in kept), kept["bcrypt_salt"].encode() + b"." * 31):
        fresh()
        with raw_session(server.service) as session:
            assert session.log_in("batch", word)["error"] == REFUSED


def test_failed_logins_are_slowed_and_the_right_secret_still_gets_in(home: World) -> None:
    """Once for real: three are free, then each waits. What each wait is, test_throttle.py shows with its own clock."""
    server = home.serve()
    server.add_user("slow", "--allow-code")
    waits = []
    for _ in range(5):
        begin = time.monotonic()
        with raw_session(server.service) as session:
            assert session.log_in("slow", b"$2b$12$" + b"x" * 53)["error"] == REFUSED
        waits.append(time.monotonic() - begin)
    assert min(waits[3:]) >= 1.0  # a lower bound only: no answer comes before its wait is over
    with raw_session(server.service) as session:
        assert "result" in session.log_in("slow", read_secret(home, "slow"))


@pytest.mark.parametrize("user", ["", "a b", "x" * 65, "a\n6", "é"])
def test_a_name_that_no_user_has_is_refused_like_any_other(
    home: World, server: Server, user: str, fresh: Callable[[], None]
) -> None:
    with raw_session(server.service) as session:
        if user:
            assert session.log_in(user, read_secret(home))["error"] == REFUSED
        else:
            assert session.log_in(user, read_secret(home))["error"]["code"] == -32600
    assert all(re.match(r"\d{4}-\d\d-\d\dT", line) for line in server.log.splitlines())
    fresh()


def test_the_session_of_a_user_who_is_disabled_meanwhile_may_nothing_more(home: World, server: Server) -> None:
    server.add_user("fired", "--allow-code")
    with raw_session(server.service) as session:
        assert "result" in session.log_in("fired", read_secret(home, "fired"))
        assert session.result("job.check", kind="code") == {"allowed": True}
        server.user("disable", "fired")
        for answer in (session.start_code("pass"), session.call("job.check", kind="code")):
            assert answer["error"]["data"] == {"exit_code": 5}
    assert "user=fired" not in "".join(line for line in server.log.splitlines() if "action=accept" in line)


def test_a_secret_of_another_user_and_another_server_is_told_apart_from_a_wrong_one(
    home: World, server: Server, fresh: Callable[[], None]
) -> None:
    other = Path(home.home / "off.secret")
    done = home.run("-s", server.service, "-u", "batch", "-p", str(other), "-c", "pass", "-t", "-1")
    assert done.returncode == 5
    assert f"the secret file {other} was not made for user batch".encode() in done.stderr
    assert len(done.stderr.splitlines()) == 1
    fresh()


def test_a_plain_connection_to_the_tls_port_is_no_session(server: Server) -> None:
    host, _, port = server.service.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=15 * TIME_SCALE) as channel:
        channel.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert channel.recv(100)[:5] != b"HTTP/"
