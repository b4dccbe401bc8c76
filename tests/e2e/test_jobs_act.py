"""``headless jobs attach``, ``cancel``, ``rerun`` and ``prune``, installed, against a server that is made up."""

import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from headless.protocol.codec import encode_bytes
from headless.protocol.messages import JOB_ID
from history_support import Ask, answer, end, list_pages, make_id, make_job, output, refuse
from launch_support import Answer, fake_server
from support import TIME_SCALE, World

JOB = make_id(1)


@pytest.fixture
def ask(world: World) -> Ask:
    """The command, ready to run."""
    return Ask(world)


def watch(*notifications: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """The answer to ``job.watch`` and what follows it."""
    return {"job_id": JOB, "state": "running", "then": notifications}


def test_attach_prints_the_output_and_ends_as_the_launcher_would(ask: Ask, tmp_path: Path) -> None:
    answers = answer(job_watch=watch(output(JOB, 0, b"hello\n"), end(JOB, result={"a": 1})))
    assert ask.run(answers, "attach", JOB) == (0, "hello\n", "")
    assert ask.run(answers, "attach", JOB, "--result", "-") == (0, '{\n  "a": 1\n}\n', "")
    files = [tmp_path / "output", tmp_path / "result"]
    assert ask.run(answers, "attach", JOB, "-o", str(files[0]), "--result", str(files[1])) == (0, "", "")
    assert [file.read_bytes() for file in files] == [b"hello\n", b'{\n  "a": 1\n}\n']


@pytest.mark.parametrize(
    ("changes", "words", "status", "line"),
    [
        ({"state": "failed", "code": 9}, (), 4, "failed: exit status 9"),
        ({"state": "failed", "code": 9}, ("--exit-code", "job"), 9, "failed: exit status 9"),
        ({"state": "failed", "ending": "signal", "code": 9}, (), 4, "failed: killed by signal 9 (SIGKILL)"),
        ({"state": "stopped", "ending": "cancelled", "code": None, "reason": "by me"}, (), 7, "was stopped: by me"),
        (
            {"state": "lost", "ending": "lost", "code": None, "reason": "a power cut"},
            *((), 8, "its outcome is unknown: a power cut"),
        ),
    ],
)
def test_attach_tells_the_truth_of_a_bad_end(
    ask: Ask, changes: dict[str, Any], words: tuple[str, ...], status: int, line: str
) -> None:
    tail = {"stdout": "", "stderr": encode_bytes(b"why\n")}
    code, text, errors = ask.run(answer(job_watch=watch(end(JOB, tail=tail, **changes))), "attach", JOB, *words)
    assert (code, text) == (status, "")
    assert errors.splitlines()[0].removeprefix(f"headless: job {JOB}").lstrip(": ") == line
    assert errors.splitlines()[1:] == ["--- the end of its stderr:", "why"]


def test_attach_waits_as_long_as_it_is_told(ask: Ask) -> None:
    code, text, errors = ask.run(answer(job_watch=watch(output(JOB, 0, b"x"))), "attach", JOB, "-t", "0.2")
    assert (code, text) == (3, "x")
    assert errors == f"headless: job {JOB} is still running after 0.2 s, and goes on\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_waiting_and_not_the_job(ask: Ask, number: signal.Signals) -> None:
    with fake_server(ask.path, answer(job_watch=watch(output(JOB, 0, b"begun\n")))) as called:
        process = ask.world.start("jobs", "attach", JOB, "-t60", "-s", f"unix:{ask.path}")
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        process.send_signal(number)
        _, errors = process.communicate(timeout=20 * TIME_SCALE)
    assert process.returncode == -number
    assert errors.decode() == f"headless: ended by {number.name}: job {JOB} goes on, if it is not over\n"
    assert called == ["login.osuser", "job.watch"]


@pytest.mark.parametrize(
    "words",
    [
        ("attach", JOB, "-t", "soon"), ("attach", JOB, "-o", "/no/such/folder/x"), ("attach", JOB, "-o", ""),
        ("attach", JOB, "--exit-code", "all"), ("attach", JOB, "-o", "-", "--result", "-"), ("attach",),
        ("cancel", JOB, "-t", "0"), ("cancel", "x"), ("rerun", JOB, "-o", "-"), ("rerun", JOB, "--result", "-"),
        ("prune",), ("prune", "--older", "x"), ("prune", "--older", "1d", "--keep", "-1"),
        ("prune", "--older", "1d", "--name", "a b"), ("prune", "--older", "1d", "stray"),
    ],
)  # fmt: skip
def test_wrong_words_are_refused_in_one_line_before_anything_is_asked(ask: Ask, words: tuple[str, ...]) -> None:
    with fake_server(ask.path, {}) as called:
        done = ask.world.run("jobs", *words, "-s", f"unix:{ask.path}")
    assert (done.returncode, done.stdout, called) == (2, b"", [])
    assert done.stderr.startswith(b"headless: ")
    assert done.stderr.count(b"\n") == 1


def test_cancel_waits_until_the_job_is_over_in_silence(ask: Ask) -> None:
    stopped = end(JOB, state="stopped", ending="cancelled", code=None, reason="cancelled by me")
    noise = output(JOB, 0, b"x")
    answers = answer(job_cancel={"job_id": JOB, "state": "running"}, job_watch=watch(noise, stopped))
    assert ask.run(answers, "cancel", JOB) == (0, "", "")
    assert ask.called == ["login.osuser", "job.cancel", "job.watch"]
    code, text, errors = ask.run(answers, "cancel", JOB, "-v")
    assert (code, text) == (0, "")
    assert errors.splitlines()[-1] == f"headless: job {JOB} is over: stopped: cancelled by me"


def test_cancel_need_not_wait(ask: Ask) -> None:
    answers = answer(job_cancel={"job_id": JOB, "state": "running"})
    code, text, errors = ask.run(answers, "cancel", "--no-wait", JOB, "-v")
    assert (code, text, errors.splitlines()[-1]) == (0, "", f"headless: job {JOB}: its end was asked for")
    assert ask.called == ["login.osuser", "job.cancel"]


@pytest.mark.parametrize("state", ["ended", "failed", "stopped", "lost"])
def test_cancel_leaves_a_job_alone_that_is_over(ask: Ask, state: str) -> None:
    answers = answer(job_cancel={"job_id": JOB, "state": state})
    assert ask.run(answers, "cancel", JOB) == (0, "", "")
    assert ask.called == ["login.osuser", "job.cancel"]
    assert ask.run(answers, "cancel", JOB, "-v")[2].endswith(f"headless: job {JOB} was over already: {state}\n")


def test_cancel_says_if_the_job_does_not_end_in_time(ask: Ask) -> None:
    answers = answer(job_cancel={"job_id": JOB, "state": "running"}, job_watch=watch())
    line = f"headless: job {JOB} is not over after 0.2 s; its end was asked for\n"
    assert ask.run(answers, "cancel", JOB, "-t", "0.2") == (3, "", line)


@pytest.mark.parametrize("state", ["sleeping", None, 1])
def test_cancel_does_not_take_any_answer_for_success(ask: Ask, state: Any) -> None:
    code, text, errors = ask.run(answer(job_cancel={"job_id": JOB, "state": state}), "cancel", JOB)
    assert (code, text, errors.count("\n")) == (1, "", 1)


def test_cancel_tells_of_a_connection_that_is_lost_meanwhile(ask: Ask) -> None:
    begun = threading.Event()

    def tell(params: Mapping[str, Any]) -> dict[str, Any]:
        begun.set()
        return watch()

    answers: dict[str, Answer] = answer(job_cancel={"job_id": JOB, "state": "running"}, job_watch=tell)
    with fake_server(ask.path, answers):
        process = ask.world.start("jobs", "cancel", JOB, "-t", "3", "-s", f"unix:{ask.path}")
        assert begun.wait(20 * TIME_SCALE)
    _, errors = process.communicate(timeout=20 * TIME_SCALE)
    assert process.returncode == 8
    assert errors.startswith(f"headless: job {JOB}: cannot connect to unix:{ask.path}: ".encode())
    assert errors.endswith(f"; its outcome is unknown here: headless jobs show {JOB}\n".encode())


def test_rerun_prints_the_id_of_the_new_job(ask: Ask) -> None:
    asked: list[Mapping[str, Any]] = []

    def tell(params: Mapping[str, Any]) -> dict[str, Any]:
        asked.append(params)
        return {"job_id": params["new_id"], "state": "accepted"}

    code, text, errors = ask.run(answer(job_rerun=tell), "rerun", JOB)
    assert (code, errors) == (0, "")
    assert JOB_ID.fullmatch(text.rstrip("\n"))
    assert asked == [{"job_id": JOB, "new_id": text.rstrip("\n")}]
    assert JOB not in text


def test_rerun_waits_for_the_new_job_as_a_launch_does(ask: Ask) -> None:
    def tell(params: Mapping[str, Any]) -> dict[str, Any]:
        new = params["job_id"]
        return {"job_id": new, "then": [output(new, 0, b"again\n"), end(new, state="failed", code=1)]}

    answers = answer(job_rerun={"state": "accepted"}, job_watch=tell)
    code, text, errors = ask.run(answers, "rerun", JOB, "-t", "60", "-o", "-")
    assert (code, text, errors.count("\n")) == (4, "again\n", 1)
    code, text, errors = ask.run(answers, "rerun", JOB, "-t", "-1", "--exit-code", "job")
    assert (code, text, errors.count("\n")) == (1, "", 1)


@pytest.mark.parametrize("command", ["rerun", "cancel"])
def test_what_is_not_answered_is_asked_again(ask: Ask, command: str) -> None:
    asked: list[Mapping[str, Any]] = []

    def tell(params: Mapping[str, Any]) -> dict[str, Any]:
        asked.append(params)
        return {"job_id": JOB, "state": "ended"}

    def cut(params: Mapping[str, Any]) -> dict[str, Any]:
        asked.append(params)
        raise ConnectionAbortedError

    answers = answer(**{f"job_{command}": lambda params: tell(params) if asked else cut(params)})
    code, _, errors = ask.run(answers, command, JOB)
    assert (code, errors) == (0, "")
    assert len(asked) == 2
    assert asked[0] == asked[1]  # the new job's id too: the server starts it once
    code, text, errors = ask.run(answer(**{f"job_{command}": cut}), command, JOB, "--connect-for", "1")
    assert (code, text) == (8, "")
    assert ": it is not known whether " in errors


@pytest.mark.parametrize(
    ("message", "status"), [("not allowed any more", 5), ("job X is in the way", 6), ("its source is gone", 2)]
)
def test_rerun_passes_on_why_nothing_was_started(ask: Ask, message: str, status: int) -> None:
    assert ask.run(answer(job_rerun=refuse(message, status)), "rerun", JOB) == (status, "", f"headless: {message}\n")


def test_prune_is_silent_unless_asked(ask: Ask) -> None:
    asked: list[Mapping[str, Any]] = []

    def tell(params: Mapping[str, Any]) -> dict[str, Any]:
        asked.append(params)
        return {"removed": (7, 5, 0)[len(asked) % 3 - 1]}  # until nothing is left

    assert ask.run(answer(job_prune=tell), "prune", "--older", "30d") == (0, "", "")
    code, text, errors = ask.run(
        answer(job_prune=tell), "prune", "--older", "12h", "--keep", "3", "--name", "nightly", "-v"
    )
    assert (code, text, errors.splitlines()[-1]) == (0, "", "headless: 12 jobs were removed")
    assert ask.run(answer(job_prune={"removed": 0}), "prune", "--older", "0", "-v")[2].endswith(
        ": 0 jobs were removed\n"
    )
    assert (
        asked
        == [{"older": 2_592_000.0, "keep": 0, "name": ""}] * 3 + [{"older": 43200.0, "keep": 3, "name": "nightly"}] * 3
    )


@pytest.mark.parametrize("body", [{}, {"removed": None}, {"removed": True}, {"removed": "3"}])
def test_prune_does_not_take_any_answer_for_success(ask: Ask, body: dict[str, Any]) -> None:
    code, text, errors = ask.run(answer(job_prune=body), "prune", "--older", "1d")
    assert (code, text, errors.count("\n")) == (1, "", 1)


@pytest.mark.parametrize("command", ["attach", "cancel", "rerun"])
def test_a_part_of_an_id_is_enough(ask: Ask, command: str) -> None:
    asked: list[Any] = []

    def tell(params: Mapping[str, Any]) -> dict[str, Any]:
        asked.append(params["job_id"])
        return {"job_id": JOB, "state": "ended", "then": [end(JOB)]}

    jobs = list_pages([make_job(2), make_job(1)], 200)
    answers = answer(job_list=jobs, **{f"job_{name}": tell for name in ("watch", "cancel", "rerun")})
    assert ask.run(answers, command, JOB[-6:].lower())[0] == 0
    assert set(asked) == {JOB}
