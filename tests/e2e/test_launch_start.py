"""What a launcher sends to have a job started, again and again if it must, and what it makes of the answers."""

import re
import signal
import socket
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedOK

from authority import Authority
from headless.launcher.splay import compute_splay
from headless.protocol.codec import decode_bytes, encode_bytes
from launch_support import Answer, fake_server, wait_code
from plain_servers import plain_server, says
from support import TIME_SCALE, World

LOGIN: dict[str, Answer] = {"login.osuser": {"user": "me"}}
BUSY = {"error": {"code": -32001, "message": "the server is full", "data": {"exit_code": 1}}}
GOOD_END = {
    "state": "ended", "ending": "status", "code": 0, "reason": "", "duration_s": 1.0, "dropped": {},
}  # fmt: skip


def hang_up(_: Mapping[str, Any]) -> Mapping[str, Any]:
    """Close the connection instead of an answer."""
    raise ConnectionClosedOK(None, None)


def in_turn(*steps: Answer) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    """One answer after the other; the last one again and again."""
    left = list(steps)

    def answer(params: Mapping[str, Any]) -> Mapping[str, Any]:
        step = left.pop(0) if len(left) > 1 else left[0]
        return step(params) if callable(step) else step

    return answer


@pytest.fixture
def path(world: World) -> str:
    """Where the fake server listens."""
    return f"{world.home}/fake.sock"


def launch(world: World, path: str, *words: str, **options: Any) -> tuple[int, str]:
    """Run a launcher; return its exit code and what it said."""
    done = world.run("-s", f"unix:{path}", "-c", "pass", *words, **options)
    return done.returncode, done.stderr.decode()


def test_options_of_the_start_travel_and_what_is_not_said_does_not(world: World, path: str) -> None:
    starts: list[Mapping[str, Any]] = []

    def start(params: Mapping[str, Any]) -> Mapping[str, Any]:
        starts.append(params)
        return {}

    with fake_server(path, {**LOGIN, "job.start": start}):
        words = ["--overlap", "wait", "--wait-for", "0", "--not-after", "900", "--max-runtime", "60.5", "--grace", "0"]
        assert launch(world, path, *words) == (0, "")
        assert launch(world, path) == (0, "")
    said, unsaid = starts
    assert set(said) - set(unsaid) == {"overlap", "wait_for", "start_within", "max_runtime", "grace"}
    assert (said["overlap"], said["wait_for"], said["max_runtime"], said["grace"]) == ("wait", 0, 60.5, 0)
    assert 800 < said["start_within"] <= 900


def test_a_server_that_is_full_is_come_back_to(world: World, path: str) -> None:
    ids = []

    def start(params: Mapping[str, Any]) -> Mapping[str, Any]:
        ids.append(params["job_id"])
        return BUSY if len(ids) < 4 else {}

    with fake_server(path, {**LOGIN, "job.start": start}) as called:
        assert launch(world, path) == (0, "")
    assert len(ids) == 4 and len(set(ids)) == 1
    assert called.count("login.osuser") == 4


def test_a_server_that_stays_full_started_nothing(world: World, path: str) -> None:
    with fake_server(path, {**LOGIN, "job.start": BUSY}) as called:
        assert launch(world, path, "--connect-for", "1") == (1, "headless: the server is full\n")
    assert called.count("job.start") > 1


def test_a_lost_answer_is_asked_for_again_with_the_same_id(world: World, path: str) -> None:
    ids = set()

    def start(params: Mapping[str, Any]) -> Mapping[str, Any]:
        ids.add(params["job_id"])
        return answer(params)

    answer = in_turn(hang_up, hang_up, {})
    with fake_server(path, {**LOGIN, "job.start": start}) as called:
        assert launch(world, path) == (0, "")
    assert len(ids) == 1 and called.count("job.start") == 3


@pytest.mark.parametrize("then", [hang_up, BUSY], ids=["hangs up", "busy"])
def test_a_start_that_stays_in_doubt_is_never_told_as_nothing(world: World, path: str, then: Answer) -> None:
    with fake_server(path, {**LOGIN, "job.start": in_turn(hang_up, then)}) as called:
        code, errors = launch(world, path, "--connect-for", "1")
    assert code == 8 and errors.count("\n") == 1
    job_id = errors.split()[2].rstrip(":")
    assert errors.startswith(f"headless: job {job_id}: no answer to its start, and it is not known whether it was")
    assert errors.endswith(f"headless jobs show {job_id}\n")
    assert called.count("job.start") > 1


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"message": "another run is active: 01X", "data": {"exit_code": 6}}, 6),
        ({"message": "no", "data": {"exit_code": 5}}, 5),
    ],
)
def test_an_answer_settles_a_doubt(world: World, path: str, error: dict[str, Any], code: int) -> None:
    with fake_server(path, {**LOGIN, "job.start": in_turn(hang_up, {"error": {"code": -32001, **error}})}):
        assert launch(world, path) == (code, f"headless: {error['message']}\n")


def test_a_refused_login_while_a_start_is_in_doubt_leaves_the_doubt(world: World, path: str) -> None:
    refusal = {"error": {"code": -32001, "message": "login refused", "data": {"exit_code": 5}}}
    with fake_server(path, {"login.osuser": in_turn({"user": "me"}, refusal), "job.start": hang_up}):
        code, errors = launch(world, path)
    assert code == 8 and "(login refused)" in errors


class Input:
    """A server's side of uploads, that loses some of them."""

    def __init__(self, keeps: Callable[[bytes, bytes], bytes], loses: int) -> None:
        self.data = b""
        self._keeps = keeps
        self._loses = loses

    def upload(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Take a piece; the one that is the last to be lost is kept as the test says."""
        piece = decode_bytes(params["data"])
        if piece:
            self._loses -= 1
            if self._loses == 0:
                self.data = self._keeps(self.data, piece)
                return hang_up(params)
            self.data = self.data[: params["offset"]] + piece
        return {"size": len(self.data)}


@pytest.mark.parametrize(
    "keeps",
    [lambda before, lost: before + lost, lambda before, lost: before, lambda before, lost: before + lost[:1000]],
    ids=["all", "nothing", "a part"],
)
def test_an_upload_goes_on_where_it_was_lost(world: World, path: str, keeps: Callable[[bytes, bytes], bytes]) -> None:
    data = bytes(range(251)) * 4096
    taken = Input(keeps, 2)  # the answer to the second piece is lost
    with fake_server(path, {**LOGIN, "job.upload": taken.upload, "job.start": {}}):
        done = world.run("-s", f"unix:{path}", "-c", "pass", "--stdin", stdin=data)
    assert (done.returncode, done.stderr) == (0, b"")
    assert taken.data == data


def test_an_input_that_the_server_has_not_kept_is_not_started_with(world: World, path: str) -> None:
    taken = Input(lambda before, lost: b"", 2)
    with fake_server(path, {**LOGIN, "job.upload": taken.upload, "job.start": {}}) as called:
        done = world.run("-s", f"unix:{path}", "-c", "pass", "--stdin", stdin=bytes(1_000_000))
    assert done.returncode == 1
    assert re.fullmatch(
        rb"headless: the connection was lost, and of [1-9]\d+ bytes of standard input the server has kept 0:"
        rb" nothing was started\n",
        done.stderr,
    )
    assert "job.start" not in called


def test_it_is_too_late_while_nobody_listens(world: World, path: str) -> None:
    code, errors = launch(world, path, "--not-after", "1")
    assert code == 6 and errors.count("\n") == 1
    assert errors.startswith("headless: not started: the time of --not-after has passed; the last try: cannot connect")


def test_it_is_too_late_before_anything_is_connected(world: World, path: str) -> None:
    with fake_server(path, LOGIN) as called:
        told = launch(world, path, "--not-after", "2020-02-29T23:59:59+14:00")
    assert told == (6, "headless: not started: the time of --not-after has passed\n")
    assert called == []


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--not-after", "2030-01-01T00:00:00"], "--not-after '2030-01-01T00:00:00' has no offset from UTC"),
        (["--not-after", "noon"], "--not-after 'noon': give seconds from now"),
        (["--overlap", "never"], "--overlap 'never': use allow, skip, wait, replace"),
        (["--wait-for", "-1"], "--wait-for -1: give a number of seconds"),
        (["--max-runtime", "0"], "--max-runtime '0': give a number of seconds"),
        (["--grace", "10s"], "--grace '10s': give a number of seconds"),
        (["--splay", "-5"], "--splay '-5': give a number of seconds"),
        (["--reconnect-for", "for ever"], "--reconnect-for 'for ever': give a number of seconds"),
    ],
)
def test_wrong_values_are_told_in_one_line(world: World, path: str, words: list[str], reason: str) -> None:
    code, errors = launch(world, path, *words)
    assert code == 2 and errors.startswith(f"headless: {reason}") and errors.count("\n") == 1


def test_a_splay_is_shown_and_can_be_interrupted(world: World, path: str) -> None:
    delay_s = compute_splay(socket.gethostname(), "code", 900)
    with fake_server(path, {**LOGIN, "job.check": {}}):
        done = world.run("--check", "-s", f"unix:{path}", "-c", "pass", "--splay", "900")
    line = next(line for line in done.stdout.decode().splitlines() if line.startswith("splay"))
    assert line.endswith(f"900: on this host the launcher would wait {delay_s:.1f} s before its start  (option)")
    launcher = world.start("-v", "-s", f"unix:{path}", "-c", "pass", "--splay", "900")
    assert launcher.stderr is not None
    assert launcher.stderr.readline().decode() == f"headless: splay: starting in {delay_s:.1f} s\n"
    launcher.send_signal(signal.SIGTERM)
    assert launcher.communicate(timeout=20 * TIME_SCALE)[1] == b"headless: ended by SIGTERM: nothing was started\n"
    assert launcher.returncode == -signal.SIGTERM


def test_a_short_splay_comes_before_the_start(world: World, path: str) -> None:
    with fake_server(path, {**LOGIN, "job.start": {}}):
        assert launch(world, path, "--splay", "0.5") == (0, "")


def test_what_is_no_headless_server_is_not_asked_twice(world: World) -> None:
    login = world.serve().add_user("batch", "--allow-code")
    # It takes one connection: a second one would be left without an answer, for longer than the limit of this.
    with plain_server(says(b"SSH-2.0-OpenSSH_9.2p1\r\n")) as address:
        done = world.run(*login, "-s", str(address), "-c", "pass", limit_s=20)
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)
    assert b"is this the TLS port of a headless server?" in done.stderr


def test_an_untrusted_certificate_is_not_tried_again(world: World) -> None:
    server = world.serve()
    login = server.add_user("batch", "--allow-code")
    authority = Authority(world.home, "other")
    done = world.run(*login, "--ca-file", authority.file, "-c", "pass", limit_s=20)
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)
    assert b"the server's certificate is not trusted" in done.stderr


def watch_with(*notifications: tuple[str, Mapping[str, Any]]) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    """An answer to ``job.watch`` and the news that follow it."""

    def answer(params: Mapping[str, Any]) -> Mapping[str, Any]:
        job = {"job_id": params["job_id"]}
        return {**job, "state": "running", "then": [(method, {**job, **body}) for method, body in notifications]}

    return answer


def piece(offset: int, data: bytes) -> tuple[str, Mapping[str, Any]]:
    """A piece of the job's standard output."""
    return "job.output", {"stream": "stdout", "offset": offset, "data": encode_bytes(data)}


def test_what_was_cut_out_of_the_output_leaves_a_mark(world: World, path: str) -> None:
    end = ("job.ended", {**GOOD_END, "dropped": {"stdout": 1000}})
    watch = watch_with(piece(0, b"begin"), piece(505, b"middle\n"), piece(1012, b"end\n"), end)
    with fake_server(path, {**LOGIN, "job.start": {}, "job.watch": watch}):
        done = world.run("-s", f"unix:{path}", "-c", "pass", "-t", "-1", "-o", "-")
    assert done.stdout == (
        b"begin\n[headless: 500 bytes were cut here]\nmiddle\n[headless: 500 bytes were cut here]\nend\n"
    )
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert b": 1000 bytes of its output were cut, for their number (max_output of the server)" in done.stderr


def test_a_piece_twice_is_no_output(world: World, path: str) -> None:
    watch = watch_with(piece(0, b"begin"), piece(3, b"in"), ("job.ended", GOOD_END))
    with fake_server(path, {**LOGIN, "job.start": {}, "job.watch": watch}):
        done = world.run("-s", f"unix:{path}", "-c", "pass", "-t", "-1", "-o", "-")
    assert (done.returncode, done.stdout) == (8, b"begin")
    assert b"is not the one that comes next; its outcome is unknown here" in done.stderr


def error(code: int, message: str) -> Mapping[str, Any]:
    """An error of the server."""
    return {"error": {"code": -32001, "message": message, "data": {"exit_code": code}}}


@pytest.mark.parametrize(
    ("method", "refusal", "reason"),
    [
        ("job.watch", error(2, "unknown job"), "unknown job"),
        ("job.watch", error(5, "it is another user's"), "it is another user's"),
        ("login.osuser", error(5, "login refused"), "login refused"),
    ],
)
def test_a_server_that_knows_an_accepted_job_no_more_leaves_it_unknown(
    world: World, path: str, method: str, refusal: Mapping[str, Any], reason: str
) -> None:
    table: dict[str, Answer] = {**LOGIN, "job.start": {}, "job.watch": hang_up}
    before = table[method]
    table[method] = in_turn(before, refusal)
    with fake_server(path, table):
        code, errors = launch(world, path, "-t", "-1")
    job_id = errors.split()[2].rstrip(":")
    assert (code, errors) == (
        8,
        f"headless: job {job_id}: {reason}; its outcome is unknown here: headless jobs show {job_id}\n",
    )


def test_output_goes_on_from_the_offset_that_was_reached(world: World, path: str) -> None:
    asked = []

    def watch(params: Mapping[str, Any]) -> Mapping[str, Any]:
        asked.append(params["stdout"])
        if len(asked) == 1:
            return {**watch_with(piece(0, b"one "), piece(4, b"two "))(params), "close": True}
        return watch_with(piece(8, b"three"), ("job.ended", GOOD_END))(params)

    with fake_server(path, {**LOGIN, "job.start": {}, "job.watch": watch}):
        done = world.run("-s", f"unix:{path}", "-c", "pass", "-t", "-1", "-o", "-")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"one two three", b"")
    assert asked == [0, 8]


def test_overlap_and_limits_end_with_their_codes(world: World) -> None:
    server = world.serve(tls=False)
    words = ["-s", server.unix, "--name", "nightly", "-c", wait_code(world.home / "go")]
    first = world.start(*words, "-t", "-1")
    job_id = server.wait_log(r"start job=(\w{26})")[1]
    skipped = world.run(*words, "--overlap", "skip")
    assert (skipped.returncode, skipped.stderr.count(b"\n")) == (6, 1)
    assert job_id.encode() in skipped.stderr
    late = world.run(*words, "--overlap", "wait", "--wait-for", "0.3", "-t", "-1")
    assert late.returncode == 6, late.stderr
    assert b" was not started: " in late.stderr
    late = world.run(*words, "--overlap", "wait", "--not-after", "1", "-t", "-1")
    assert late.returncode == 6, late.stderr
    replaced = world.run(*words, "--overlap", "replace", "--max-runtime", "0.3", "--grace", "0", "-t", "-1")
    assert replaced.returncode == 7, replaced.stderr
    assert b" was stopped: " in replaced.stderr
    assert first.wait(20 * TIME_SCALE) == 7
    assert b" was stopped: " in first.communicate()[1]
