"""What no launcher would send, against a real server: each is answered or closed, and nothing is left of it."""

import json
import os
import pwd
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from headless.protocol.codec import encode_bytes
from headless.protocol.scram import LOGIN_REFUSED
from raw_session import RawSession, new_job_id, raw_session
from support import Server, World, wait_for

KIB = 1024


@pytest.fixture(scope="module")
def server(home: World) -> Server:
    server = home.serve("--max-script", "65536", "--max-stdin", "100000", "--login-timeout", "3")
    for name in ("anna", "bert"):
        server.add_user(name, "--allow-code")
    return server


@pytest.fixture
def owner(server: Server) -> Iterator[RawSession]:
    with raw_session(server.unix) as session:
        session.result("login.osuser")
        yield session


def user_session(home: World, session: RawSession, name: str) -> RawSession:
    assert "result" in session.log_in(name, (home.home / f"{name}.secret").read_bytes().strip())
    return session


def count_descriptors(server: Server) -> int:
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def is_alone(owner: RawSession) -> bool:
    return bool(owner.result("server.status")["sessions"] == 1)


BAD_TEXTS = {
    "no JSON": ("{", -32700),
    "empty": ("", -32700),
    "NaN": ('{"jsonrpc":"2.0","id":NaN,"method":"login.osuser"}', -32700),
    "too deep": ('{"a":' * 100 + "1" + "}" * 100, -32700),
    "very deep": ("[" * 8000 + "]" * 8000, -32700),
    "a lone surrogate": ('{"jsonrpc":"2.0","id":1,"method":"\\ud800"}', -32700),
    "a list": ("[]", -32600),
    "a batch": ('[{"jsonrpc":"2.0","id":1,"method":"login.osuser","params":{}}]', -32600),
    "version 1": ('{"id":1,"method":"login.osuser","params":{}}', -32600),
    "no id": ('{"jsonrpc":"2.0","method":"login.osuser","params":{}}', -32600),
    "a text as id": ('{"jsonrpc":"2.0","id":"1","method":"login.osuser","params":{}}', -32600),
    "parameters in a list": ('{"jsonrpc":"2.0","id":1,"method":"login.osuser","params":["root"]}', -32600),
    "an answer": ('{"jsonrpc":"2.0","id":1,"result":{}}', -32600),
    "unknown method": ('{"jsonrpc":"2.0","id":1,"method":"login.root","params":{}}', -32601),
    "wrong state": ('{"jsonrpc":"2.0","id":1,"method":"job.start","params":{}}', -32600),
    "a proof before the challenge": ('{"jsonrpc":"2.0","id":1,"method":"login.proof","params":{}}', -32600),
    "unknown parameter": ('{"jsonrpc":"2.0","id":1,"method":"login.osuser","params":{"admin":true}}', -32602),
    "a number as name": ('{"jsonrpc":"2.0","id":1,"method":"login.osuser","params":{"user":1}}', -32602),
    "a name that is none": ('{"jsonrpc":"2.0","id":1,"method":"login.salt","params":{"user":"a b"}}', -32602),
}


@pytest.mark.parametrize("case", BAD_TEXTS)
def test_before_the_login_one_wrong_message_is_answered_and_is_the_last(server: Server, case: str) -> None:
    text, code = BAD_TEXTS[case]
    with raw_session(server.unix) as session:
        session.send(text)
        answer = session.receive()
        assert answer["error"]["code"] == code, answer
        assert set(answer) == {"jsonrpc", "id", "error"}
        assert session.expect_close() == 1008


@pytest.mark.parametrize("case", [case for case, (_, code) in BAD_TEXTS.items() if code != -32602])
def test_after_the_login_a_wrong_message_is_answered_and_the_session_goes_on(owner: RawSession, case: str) -> None:
    text, code = BAD_TEXTS[case]
    owner.send(text.replace("job.start", "login.osuser"))
    assert owner.receive()["error"]["code"] == code
    assert owner.result("job.check", kind="code") == {"allowed": True}


def test_after_the_login_twenty_wrong_messages_end_the_session(owner: RawSession) -> None:
    for _ in range(20):
        owner.send("{")
        assert owner.receive()["error"]["code"] == -32700
    assert owner.expect_close() == 1008


def test_a_message_is_small_before_the_login_and_bounded_after_it(home: World, server: Server) -> None:
    user = "x" * (16 * KIB)
    with raw_session(server.service) as session:
        session.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "login.salt", "params": {"user": user}}))
        assert session.expect_close() == 1009
    with raw_session(server.service) as session:
        user_session(home, session, "anna")
        answer = session.start_code("#" + "x" * (64 * KIB))["error"]  # fits into a message, and is refused by size
        assert answer["data"] == {"exit_code": 2} and "max_script" in answer["message"]
        session.send("x" * (2 * 64 * KIB + 1024 * KIB + 1))
        assert session.expect_close() == 1009


def test_a_script_of_exactly_the_limit_runs(owner: RawSession) -> None:
    answer = owner.start_code("#" + "x" * (64 * KIB - 1))
    assert answer["result"]["state"] == "accepted"


@pytest.mark.parametrize("is_in", [False, True])
def test_a_binary_frame_ends_the_session(server: Server, is_in: bool) -> None:
    with raw_session(server.unix) as session:
        if is_in:
            session.result("login.osuser")
        session.send(b'{"jsonrpc":"2.0","id":1,"method":"login.osuser","params":{}}')
        assert session.expect_close() == 1003


def test_text_that_is_not_utf_8_ends_the_session(server: Server) -> None:
    with raw_session(server.unix) as session:
        frame = b"\x81\x82" + bytes(4) + b"\xff\xff"  # a final text frame of two bytes, with a mask of zeros
        session.connection.socket.sendall(frame)
        assert session.expect_close() == 1007


def test_a_browser_is_refused_whatever_page_it_shows(server: Server) -> None:
    for origin in ("https://example.org", "null", f"https://{server.service}"):
        with pytest.raises(InvalidStatus) as caught, raw_session(server.service, origin=origin):
            pass
        assert caught.value.response.status_code == 403


def test_without_our_subprotocol_nobody_gets_in(server: Server) -> None:
    with (
        pytest.raises((InvalidStatus, ConnectionClosed)) as caught,
        raw_session(server.unix, subprotocols=["headless.v2"]) as session,
    ):
        session.result("login.osuser")
    if isinstance(caught.value, InvalidStatus):
        assert caught.value.response.status_code == 400


def test_who_says_nothing_is_sent_away(server: Server) -> None:
    with raw_session(server.unix) as session:
        assert session.expect_close() == 1008
        assert session.connection.close_reason == "no login in time"


def test_a_start_that_is_sent_twice_starts_once(home: World, server: Server, owner: RawSession) -> None:
    mark, job_id = home.home / "twice", new_job_id()
    code = f"open({str(mark)!r}, 'a').write('x')"
    with raw_session(server.unix) as other:
        other.result("login.osuser")
        for session in (owner, other, owner):
            assert session.start_code(code, job_id)["result"]["job_id"] == job_id
        watched = other.result("job.watch", job_id=job_id)
        assert watched["job_id"] == job_id
        assert other.receive()["params"]["state"] == "ended"
    assert mark.read_text() == "x"
    for action in ("accept", "start", "end"):
        assert server.log.count(f"action={action} job={job_id}") == 1


def test_another_users_job_is_out_of_reach(home: World, server: Server) -> None:
    job_id = new_job_id()
    with raw_session(server.service) as first, raw_session(server.service) as second:
        anna, bert = user_session(home, first, "anna"), user_session(home, second, "bert")
        assert "result" in anna.start_code("print('secret')", job_id)
        foreign = bert.error("job.watch", job_id=job_id, stdout=0)
        assert foreign["data"] == {"exit_code": 2}
        unknown = bert.error("job.watch", job_id=new_job_id())
        assert foreign["message"][:12] == unknown["message"][:12] == "unknown job "
        assert bert.start_code("pass", job_id)["error"]["data"] == {"exit_code": 5}
        assert bert.error("job.upload", job_id=job_id, offset=0, data="")["data"] == {"exit_code": 2}
        assert anna.result("job.watch", job_id=job_id)["job_id"] == job_id


def test_the_owner_sees_every_job(home: World, server: Server, owner: RawSession) -> None:
    job_id = new_job_id()
    with raw_session(server.service) as session:
        assert "result" in user_session(home, session, "anna").start_code("pass", job_id)
    assert owner.result("job.watch", job_id=job_id)["job_id"] == job_id


def upload(session: RawSession, job_id: str, offset: int, data: bytes) -> dict[str, object]:
    answer = session.call("job.upload", job_id=job_id, offset=offset, data=encode_bytes(data))
    result: dict[str, object] = answer.get("result") or answer["error"]
    return result


def test_an_input_is_bounded_has_no_gaps_and_is_one_at_a_time(owner: RawSession) -> None:
    job_id = new_job_id()
    assert upload(owner, job_id, 0, b"x" * 60_000) == {"size": 60_000}
    assert "is missing before byte 70000" in str(upload(owner, job_id, 70_000, b"x")["message"])
    assert "max_stdin" in str(upload(owner, job_id, 60_000, b"x" * 40_001)["message"])
    assert "first" in str(upload(owner, new_job_id(), 0, b"x")["message"])
    assert upload(owner, job_id, 60_000, b"x" * 40_000) == {"size": 100_000}
    assert owner.error("job.upload", job_id=job_id, offset=-1, data="")["code"] == -32602
    assert owner.error("job.upload", job_id="../../etc/passwd", offset=0, data="")["code"] == -32602
    assert owner.error("job.upload", job_id=job_id, offset=0, data="!")["code"] == -32602


def test_nobody_can_change_the_input_of_a_job_that_has_started(home: World, server: Server, owner: RawSession) -> None:
    job_id, gate = new_job_id(), home.home / "input-gate"
    code = f"import os, sys, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(.01)\nprint(sys.stdin.read())"
    upload(owner, job_id, 0, b"mine")
    assert "result" in owner.start_code(code, job_id, stdin=True)
    with raw_session(server.service) as session:
        bert = user_session(home, session, "bert")
        for thief in (bert, owner):
            assert "takes no more input" in str(upload(thief, job_id, 0, b"evil")["message"])
    owner.result("job.watch", job_id=job_id, stdout=0)
    gate.touch()
    assert owner.receive()["params"]["data"] == encode_bytes(b"mine\n")
    assert owner.receive()["params"]["state"] == "ended"


def test_a_start_without_its_input_is_refused_and_starts_nothing(owner: RawSession) -> None:
    error = owner.start_code("pass", new_job_id(), stdin=True)["error"]
    assert error["data"] == {"exit_code": 2}
    assert "no input was uploaded" in error["message"]


def test_one_session_follows_only_so_many_jobs(home: World, owner: RawSession) -> None:
    gate = home.home / "watch-gate"
    code, job_id = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(.01)", new_job_id()
    owner.start_code(code, job_id)
    for _ in range(100):
        owner.result("job.watch", job_id=job_id)
    assert "at most 100" in owner.error("job.watch", job_id=job_id)["message"]
    gate.touch()
    assert [owner.receive()["method"] for _ in range(100)] == ["job.ended"] * 100


def kill(session: RawSession) -> None:
    """Cut the connection as a dead host does: a reset, and no goodbye."""
    channel = session.connection.socket
    channel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    channel.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    "moment", ["connected", "challenged", "in", "half a message", "uploading", "started", "watching"]
)
def test_a_connection_that_is_cut_leaves_no_session_and_no_descriptor(
    home: World, server: Server, owner: RawSession, moment: str
) -> None:
    wait_for(lambda: is_alone(owner) and owner.result("server.status")["running"] == 0, "the sessions before to end")
    before, job_id = count_descriptors(server), new_job_id()
    with raw_session(server.service, close_timeout=0.1) as session:
        if moment == "challenged":
            first = "p=tls-server-end-point,,n=anna,r=nonce"
            session.result("login.challenge", client_first=first)
        elif moment != "connected":
            user_session(home, session, "anna")
        if moment == "half a message":
            session.connection.socket.sendall(b"\x81\xfe\x10\x00" + bytes(4) + b'{"jsonrpc"')
        elif moment == "uploading":
            upload(session, job_id, 0, b"x" * 1000)
            assert (server.state / "uploads" / "@anna" / job_id).exists()
        elif moment in ("started", "watching"):
            session.start_code("import time; time.sleep(.3)", job_id)
        if moment == "watching":
            session.result("job.watch", job_id=job_id, stdout=0)
        assert owner.result("server.status")["sessions"] == 2
        kill(session)
    wait_for(lambda: is_alone(owner), "the end of the session")
    wait_for(lambda: count_descriptors(server) <= before, "the descriptors back")
    wait_for(lambda: not (server.state / "uploads" / job_id).exists(), "the input's removal")
    if moment in ("started", "watching"):
        server.wait_log(f"end job={job_id} name=code user=anna state=ended")


def test_an_input_outlives_session_and_server_for_an_hour_and_no_longer(world: World) -> None:
    server, young, old = world.serve(tls=False), new_job_id(), new_job_id()
    owner = pwd.getpwuid(os.geteuid()).pw_name
    for job_id in (young, old):
        with raw_session(server.unix, close_timeout=0.1) as session:
            session.result("login.osuser")
            upload(session, job_id, 0, b"half")
    server.process.kill()
    server.process.wait()
    folder = server.state / "uploads" / f"@{owner}"
    long_ago = time.time() - 3700
    os.utime(folder / old, (long_ago, long_ago))
    again = world.serve(state=server.state, tls=False)
    wait_for(lambda: not (folder / old).exists(), "the old input's removal")
    with raw_session(again.unix) as session:
        session.result("login.osuser")
        assert upload(session, young, 0, b"") == {"size": 4}
        assert upload(session, young, 4, b" and half") == {"size": 13}
        code = f"import sys; open({str(world.home / 'got')!r}, 'w').write(sys.stdin.read())"
        session.start_code(code, young, stdin=True)
        session.result("job.watch", job_id=young)
        assert session.receive()["params"]["state"] == "ended"
    assert (world.home / "got").read_text() == "half and half"
    wait_for(lambda: not (folder / young).exists(), "the input's removal after the end")


def test_no_bug_was_met_and_no_refusal_says_more_than_it_must(server: Server) -> None:
    """Last in this file: all that came before went through one server."""
    log = Path(server.log_file).read_text()
    assert "action=bug" not in log and "Traceback" not in log
    assert LOGIN_REFUSED not in log or "stored_key" not in log
