"""``headless jobs list``, ``show`` and ``logs``, installed, against a server whose history is made up."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from headless.protocol.codec import encode_bytes
from history_support import Ask, answer, end, list_pages, make_id, make_job, output, refuse
from launch_support import Terminal, fake_server, run_shell
from support import World


@pytest.fixture
def ask(world: World) -> Ask:
    """The command, ready to run."""
    return Ask(world)


def test_a_list_has_a_line_for_each_job_and_follows_the_pages(ask: Ask) -> None:
    jobs = [make_job(number) for number in range(30, 0, -1)]
    code, text, errors = ask.run(answer(job_list=list_pages(jobs, 7)), "list")
    assert (code, errors) == (0, "")
    lines = text.splitlines()
    assert lines[0].startswith("ID ")
    assert [line.split()[0] for line in lines[1:]] == [job["job_id"] for job in jobs]
    assert ask.called == ["login.osuser"] + ["job.list"] * 5


def test_a_list_ends_at_its_limit_and_says_so_if_asked(ask: Ask) -> None:
    jobs = [make_job(number) for number in range(30, 0, -1)]
    code, text, errors = ask.run(answer(job_list=list_pages(jobs, 7)), "list", "--limit", "10", "--json", "-v")
    assert code == 0
    assert json.loads(text) == jobs[:10]
    assert errors.splitlines()[-1] == "headless: there are more than these 10 jobs: see --limit"
    assert ask.called == ["login.osuser"] + ["job.list"] * 2


def test_an_empty_list_is_nothing_at_all(ask: Ask) -> None:
    assert ask.run(answer(job_list={"jobs": [], "more": False}), "list") == (0, "", "")
    assert ask.run(answer(job_list={"jobs": [], "more": False}), "list", "--json") == (0, "[]\n", "")


def test_the_conditions_of_a_list_go_to_the_server(ask: Ask) -> None:
    seen: list[Mapping[str, Any]] = []

    def tell(params: Mapping[str, Any]) -> dict[str, Any]:
        seen.append(params)
        return {"jobs": [], "more": False}

    words = ("--state", "failed", "--name", "nightly", "--by", "batch", "--since", "2d", "--limit", "7")
    assert ask.run(answer(job_list=tell), "list", *words)[0] == 0
    assert ask.run(answer(job_list=tell), "list")[0] == 0
    assert seen == [
        {"state": "failed", "name": "nightly", "user": "batch", "since": 172800.0, "before": "", "limit": 7},
        {"state": "", "name": "", "user": "", "before": "", "limit": 50},
    ]


@pytest.mark.parametrize(
    "words",
    [
        ("list", "--state", "sleeping"), ("list", "--name", "a b"), ("list", "--by", "a b"), ("list", "--since", "x"),
        ("list", "--limit", "0"), ("list", "--limit", "100001"), ("list", "stray"), ("show",), ("show", "short"),
        ("show", make_id(1), make_id(2)), ("logs", make_id(1), "--both", "--stderr"), ("logs", make_id(1), "-t", "0"),
        ("logs", make_id(1), "--offset", "-1"), ("nonsense",), ("list", "-s", "host:port"), ("list", "-a", "magic"),
    ],
)  # fmt: skip
def test_wrong_words_are_refused_in_one_line_before_anything_is_asked(ask: Ask, words: tuple[str, ...]) -> None:
    done = ask.world.run("jobs", *words)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"headless: ")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    "body",
    [{}, {"jobs": 1, "more": False}, {"jobs": ["x"], "more": False}, {"jobs": []}, {"jobs": [], "more": 1},
     {"jobs": [], "more": True}, {"jobs": [{}], "more": True}],
)  # fmt: skip
def test_an_answer_that_is_no_list_is_told_as_such(ask: Ask, body: dict[str, Any]) -> None:
    code, text, errors = ask.run(answer(job_list=body), "list")
    assert (code, text, errors.count("\n")) == (1, "", 1)


def test_a_list_on_a_terminal_fits_into_it(ask: Ask) -> None:
    jobs = [make_job(1, state="failed", code=1, reason="very " * 100)]
    columns = 130
    with fake_server(ask.path, answer(job_list=list_pages(jobs, 7))):
        terminal = Terminal(ask.world, "jobs", "list", "-s", f"unix:{ask.path}", columns=columns)
        assert terminal.finish() == 0
    assert len(terminal.text.splitlines()[1]) == columns
    assert terminal.text.endswith("\u2026\n")


def test_a_reader_who_goes_away_ends_the_list_quietly(ask: Ask) -> None:
    jobs = [make_job(number, reason="x" * 1000) for number in range(400, 0, -1)]
    with fake_server(ask.path, answer(job_list=list_pages(jobs, 50))):
        done = run_shell(ask.world, f"($H jobs list -s unix:{ask.path} --limit 400; echo $? >&2) | head -n 1")
    assert done.stdout.startswith(b"ID ")
    assert done.stderr == b"141\n"


def test_a_full_disk_is_told_as_such(ask: Ask) -> None:
    with fake_server(ask.path, answer(job_list=list_pages([make_job(1)], 7))):
        done = run_shell(ask.world, f"$H jobs list -s unix:{ask.path} >/dev/full")
    assert done.returncode == 2
    assert done.stderr == b"headless: the output could not be written: No space left on device\n"


def test_a_job_is_shown_with_its_last_lines_if_it_failed(ask: Ask) -> None:
    job = make_job(1, state="failed", code=3, tail={"stdout": "", "stderr": encode_bytes(b"why\n")})
    code, text, errors = ask.run(answer(job_show=job), "show", make_id(1))
    assert (code, errors) == (0, "")
    assert f"id         {make_id(1)}\n" in text
    assert "outcome    exit status 3\n" in text
    assert text.endswith("\n--- the end of its stderr:\nwhy\n")
    code, text, errors = ask.run(answer(job_show=job), "show", make_id(1).lower(), "--json")
    assert (code, json.loads(text), errors) == (0, job, "")


@pytest.mark.parametrize("command", ["show", "logs", "attach", "cancel", "rerun"])
@pytest.mark.parametrize(("message", "status"), [("unknown job X", 2), ("this is another user's job", 5)])
def test_an_unknown_or_foreign_job_is_one_line_and_its_code(ask: Ask, command: str, message: str, status: int) -> None:
    error = refuse(message, status)
    answers = answer(job_show=error, job_watch=error, job_cancel=error, job_rerun=error)
    assert ask.run(answers, command, make_id(1)) == (status, "", f"headless: {message}\n")
    assert ask.run(answers, command, make_id(1), "-q") == (status, "", "")


def test_a_part_of_an_id_stands_for_the_only_job_that_has_it(ask: Ask) -> None:
    jobs = [make_job(number) for number in range(300, 0, -1)]
    seen: list[Any] = []

    def tell(params: Mapping[str, Any]) -> dict[str, Any]:
        seen.append(params["job_id"])
        return make_job(42)

    answers = answer(job_list=list_pages(jobs, 200), job_show=tell)
    assert ask.run(answers, "show", make_id(42)[-6:])[0] == 0
    assert seen == [make_id(42)]
    code, text, errors = ask.run(answers, "show", make_id(42)[:6].lower())
    assert (code, text) == (2, "")
    assert errors == (
        f"headless: {make_id(42)[:6]} may be 300 jobs, such as {make_id(300)} and {make_id(299)}: give more of it\n"
    )
    code, text, errors = ask.run(answers, "show", "ZZZZZZ")
    assert (code, errors) == (
        2,
        "headless: unknown job ZZZZZZ: no id begins or ends so: see 'headless jobs list'\n",
    )


def test_only_the_last_thousand_jobs_are_searched(ask: Ask) -> None:
    jobs = [make_job(number) for number in range(1200, 0, -1)]
    code, _, errors = ask.run(answer(job_list=list_pages(jobs, 200)), "cancel", make_id(1)[-6:])
    assert code == 2
    assert errors.endswith("none of the last 1000 jobs' ids begins or ends so: give the whole id\n")
    assert ask.called == ["login.osuser"] + ["job.list"] * 5


JOB = make_id(1)


def watch(*notifications: tuple[str, dict[str, Any]], state: str = "ended") -> dict[str, Any]:
    """The answer to ``job.watch`` and what follows it."""
    return {"job_id": JOB, "state": state, "then": notifications}


def test_logs_are_bytes(ask: Ask) -> None:
    data = bytes(range(256)) * 10
    answers = answer(job_show=make_job(1), job_watch=watch(output(JOB, 0, data), output(JOB, 2560, b"x"), end(JOB)))
    with fake_server(ask.path, answers):
        done = ask.world.run("jobs", "logs", JOB, "-s", f"unix:{ask.path}")
    assert (done.returncode, done.stdout, done.stderr) == (0, data + b"x", b"")


def test_logs_of_either_stream_or_of_both_from_an_offset_on(ask: Ask) -> None:
    asked: list[Mapping[str, Any]] = []

    def tell(params: Mapping[str, Any]) -> dict[str, Any]:
        asked.append(params)
        pieces = [
            output(JOB, params[name], name.encode() + b"\n", name) for name in ("stdout", "stderr") if name in params
        ]
        return watch(*pieces, end(JOB))

    answers = answer(job_show=make_job(1), job_watch=tell)
    assert ask.run(answers, "logs", JOB) == (0, "stdout\n", "")
    assert ask.run(answers, "logs", JOB, "--stderr") == (0, "stderr\n", "")
    assert ask.run(answers, "logs", JOB, "--both", "--offset", "5") == (0, "stdout\n", "stderr\n")
    assert asked == [
        {"job_id": JOB, "stdout": 0},
        {"job_id": JOB, "stderr": 0},
        {"job_id": JOB, "stdout": 5, "stderr": 5},
    ]


def test_what_was_cut_is_marked_where_it_was(ask: Ask) -> None:
    pieces = (output(JOB, 0, b"head"), output(JOB, 100, b"tail\n"), output(JOB, 129, b""), end(JOB))
    answers = answer(job_show=make_job(1), job_watch=watch(*pieces))
    text = "head\n[headless: 96 bytes were cut here]\ntail\n[headless: 24 bytes were cut here]\n"
    assert ask.run(answers, "logs", JOB) == (0, text, "")
    answers = answer(job_watch=watch(*pieces, state="running"))
    assert ask.run(answers, "logs", JOB, "-f") == (0, text, "")


def test_logs_of_a_running_job_end_where_its_output_is_by_now(ask: Ask) -> None:
    running = make_job(1, state="running", output={"stdout": 6, "stderr": 3})
    answers = answer(job_show=running, job_watch=watch(output(JOB, 0, b"one\n"), output(JOB, 4, b"two\n")))
    assert ask.run(answers, "logs", JOB) == (0, "one\ntwo\n", "")
    # Nothing new: then nothing is waited for.
    assert ask.run(answers, "logs", JOB, "--offset", "6") == (0, "", "")
    assert ask.called == ["login.osuser", "job.show"]


def test_logs_follow_a_job_to_its_end_or_to_the_time_limit(ask: Ask) -> None:
    failed = end(JOB, state="failed", code=1)
    answers = answer(job_watch=watch(output(JOB, 0, b"one\n"), output(JOB, 4, b"two\n"), failed, state="running"))
    assert ask.run(answers, "logs", "-f", JOB) == (0, "one\ntwo\n", "")
    answers = answer(job_watch=watch(output(JOB, 0, b"one\n"), state="running"))
    text = f"headless: job {JOB} is still running after 0.2 s, and goes on\n"
    assert ask.run(answers, "logs", "-f", JOB, "-t", "0.2") == (3, "one\n", text)


def test_logs_go_on_where_a_lost_connection_has_cut_them(ask: Ask) -> None:
    asked: list[int] = []

    def tell(params: Mapping[str, Any]) -> dict[str, Any]:
        asked.append(params["stdout"])
        if len(asked) < 4:
            return {**watch(output(JOB, params["stdout"], b"one\n"), state="running"), "close": True}
        return watch(output(JOB, params["stdout"], b"two\n"), end(JOB))

    assert ask.run(answer(job_watch=tell), "logs", "-f", JOB) == (0, "one\none\none\ntwo\n", "")
    assert asked == [0, 4, 8, 12]


@pytest.mark.parametrize(
    "message",
    [output(make_id(2), 0, b"x"), output(JOB, 0, b"x", "stdin"), output(JOB, 0, b"x", "stderr"),
     ("job.output", {"job_id": JOB, "stream": "stdout", "offset": "0", "data": ""}),
     ("job.output", {"job_id": JOB, "stream": "stdout", "offset": 0}), output(JOB, 3, b"x")],
)  # fmt: skip
def test_output_that_was_not_asked_for_is_not_written(ask: Ask, message: tuple[str, dict[str, Any]]) -> None:
    answers = answer(job_show=make_job(1), job_watch=watch(message, end(JOB)))
    code, text, errors = ask.run(answers, "logs", JOB, "--offset", "4")
    assert (code, text, errors.count("\n")) == (1, "", 1)


def test_logs_into_a_pipe_that_nobody_reads_end_quietly(ask: Ask) -> None:
    pieces = [output(JOB, number * 65536, b"x\n" * 32768) for number in range(20)]
    with fake_server(ask.path, answer(job_show=make_job(1), job_watch=watch(*pieces, end(JOB)))):
        done = run_shell(ask.world, f"($H jobs logs {JOB} -s unix:{ask.path}; echo $? >&2) | head -n 1")
    assert (done.stdout, done.stderr) == (b"x\n", b"141\n")


def test_the_session_may_come_from_the_launchers_variables_and_files(ask: Ask) -> None:
    answers = answer(job_list={"jobs": [], "more": False})
    config = Path(ask.world.home, ".config", "headless", "config.toml")
    config.parent.mkdir(parents=True)
    # What only the launcher knows does not count here, and does not filter what is listed.
    config.write_text(f'service = "unix:{ask.path}"\nmodule = "nightly"\nname = 7\ntimeout = "soon"\nconnect-for = 1\n')
    with fake_server(ask.path, answers) as called:
        done = ask.world.run("jobs", "list")
        assert (done.returncode, done.stderr, called) == (0, b"", ["login.osuser", "job.list"])
        other = {"HEADLESS_SERVICE": f"unix:{ask.path}.other", "HEADLESS_NAME": "a b", "HEADLESS_TIMEOUT": "soon"}
        done = ask.world.run("jobs", "list", environment=other)
        assert done.returncode == 1
        assert done.stderr.startswith(f"headless: cannot connect to unix:{ask.path}.other".encode())
        done = ask.world.run("jobs", "list", "-s", f"unix:{ask.path}", "--auth_type", "osuser", environment=other)
        assert done.returncode == 0
    config.write_text("quiet = true\nconnect-for = 1\n")
    done = ask.world.run("jobs", "list", "-s", f"unix:{ask.path}.other")
    assert (done.returncode, done.stderr) == (1, b"")
    config.write_text('servic = "x"\n')
    done = ask.world.run("jobs", "list")
    assert done.returncode == 2
    assert done.stderr.decode() == f"headless: {config}: unknown setting 'servic': did you mean 'service'?\n"
    config.write_text('connect-for = "soon"\n')
    done = ask.world.run("jobs", "list")
    assert done.stderr.decode() == (
        f"headless: --connect-for 'soon': give a number of seconds (settings also come from {config})\n"
    )


def test_without_an_embedded_server_there_is_no_history(world: World) -> None:
    done = world.run("jobs", "list")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == (
        b"headless: there is no embedded server and no history of one: give --service, or start a job without it"
        b" first\n"
    )
    assert not list(world.home.iterdir())
