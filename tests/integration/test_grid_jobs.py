"""Jobs on a grid of one's own: submitted by our client and by the real alien.py, run, followed, ended."""

import re
import zipfile
from collections.abc import Iterator

import pytest

from grid_support import GridServer, GridUser
from support import wait_for

FAILURES = ("ERROR_A", "ERROR_E", "ERROR_EW", "ERROR_IB", "ERROR_SV", "ERROR_V", "KILLED", "ZOMBIE")
TOKEN = {
    "JALIEN_TOKEN_CERT": "certificate.pem",
    "JALIEN_TOKEN_KEY": "key.pem",
    "X509_USER_CERT": "certificate.pem",
    "X509_USER_KEY": "key.pem",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, catalogue: list[str]) -> Iterator[GridServer]:
    """A grid that runs jobs."""
    options = ("--run-as", "root", "--max-jobs", "2", *catalogue)
    with GridServer(tmp_path_factory.mktemp("grid"), *options).with_storages(2) as server:
        yield server
        assert "bug" not in server.log


@pytest.fixture(scope="module")
def user(server: GridServer) -> GridUser:
    """A user who may have jobs."""
    user = server.add_user("tester", "jobs")
    server.add_user("stranger")
    server.add_user("boss", "admin")
    server.start()
    return user


def _submit(user: GridUser, *words: str) -> int:
    done = user.run("submit", *words)
    assert done.returncode == 0, done.stderr
    found = re.search(rb"Your new job ID is (\d+)", done.stdout)
    assert found, done.stdout
    return int(found[1])


def _read_state(user: GridUser, job_id: int) -> str:
    done = user.run("ps", "-trace", str(job_id))
    assert done.returncode == 0, done.stderr
    states = re.findall(rb"Job state transition (?:from \w+ )?to (\w+)", done.stdout)
    return str(states[-1], "ascii")


def _wait_state(user: GridUser, job_id: int, *states: str) -> str:
    wait_for(lambda: _read_state(user, job_id) in states, f"job {job_id} in {states}", 20)
    return _read_state(user, job_id)


def _trace(user: GridUser, job_id: int) -> str:
    return user.run("ps", "-trace", str(job_id)).stdout.decode()


def _put(user: GridUser, name: str, text: str, lfn: str) -> None:
    path = user.home / name
    path.write_text(text)
    done = user.run("cp", f"file:{path}", f"alien:{lfn}")
    assert done.returncode == 0, done.stderr


def _get(user: GridUser, lfn: str) -> str:
    path = user.home / "fetched"
    path.unlink(missing_ok=True)
    done = user.run("cp", f"alien:{lfn}", f"file:{path}", "-f")
    assert done.returncode == 0, done.stderr
    return path.read_text()


@pytest.mark.postgresql_too
def test_a_job_goes_through_its_states_to_its_end(user: GridUser) -> None:
    job_id = _submit(user, 'Executable = "/bin/true"; TTL = 60;')
    assert _wait_state(user, job_id, "DONE", *FAILURES) == "DONE", _trace(user, job_id)
    states = re.findall(r"Job state transition (?:from \w+ )?to (\w+)", _trace(user, job_id))
    assert states == ["WAITING", "ASSIGNED", "STARTED", "RUNNING", "SAVING", "DONE"]


@pytest.mark.postgresql_too
def test_input_is_fetched_and_output_stored_with_the_jobs_own_credentials(user: GridUser) -> None:
    script = """#!/bin/sh
set -e
tr a-z A-Z < words.txt > loud.txt
echo "$1 $ALIEN_JDL_COLOUR $ALIEN_PROC_ID" > told.txt
test "$(stat -c %a "$JALIEN_TOKEN_KEY")" = 400
headless grid ls > listed.txt
echo 'all is said'
"""
    _put(user, "loud.sh", script, "loud.sh")
    _put(user, "words.txt", "quiet words\n", "words.txt")
    jdl = """Executable = "/grid/user/t/tester/loud.sh"; Arguments = "'two words' more";
    InputFile = {"LF:/grid/user/t/tester/words.txt"}; JDLVariables = {"Colour"}; Colour = "blue";
    OutputDir = "out"; Output = {"loud.txt@disk=2", "all.zip:stdout,t*.txt@disk=1", "listed.txt"}; TTL = 300;"""
    job_id = _submit(user, jdl)
    assert _wait_state(user, job_id, "DONE", *FAILURES) == "DONE", _trace(user, job_id)
    assert _get(user, "out/loud.txt") == "QUIET WORDS\n"
    assert "words.txt" in _get(user, "out/listed.txt")
    archive = user.home / "all.zip"
    assert user.run("cp", "alien:out/all.zip", f"file:{archive}").returncode == 0
    with zipfile.ZipFile(archive) as file:
        assert sorted(file.namelist()) == ["stdout", "told.txt"]
        assert file.read("told.txt").decode() == f"two words blue {job_id}\n"
        assert file.read("stdout") == b"all is said\n"


@pytest.mark.parametrize(
    ("jdl", "state", "reason"),
    [
        ('Executable = "/bin/sh"; Arguments = {"-c", "echo a bad day >&2; exit 3"};', "ERROR_E", "status 3: a bad day"),
        (
            'Executable = "/bin/sh"; Arguments = {"-c", "echo the figures; echo why >&2; exit 3"};',
            "ERROR_E",
            "status 3: why; stdout: the figures",
        ),
        (
            'Executable = "/bin/sh"; Arguments = {"-c", "echo done so far"}; Output = {"none.txt"};',
            "ERROR_SV",
            "none.txt was not made; stdout: done so far",
        ),
        ('Executable = "/bin/sh"; Arguments = {"-c", "kill -9 $PPID"};', "ERROR_E", "signal 9"),
        ('Executable = "/bin/sh"; Arguments = {"-c", "kill -9 $$"};', "ERROR_E", "signal 9"),
        ('Executable = "/bin/true"; InputFile = {"LF:/grid/user/t/tester/none"};', "ERROR_IB", "none"),
        ('Executable = "/bin/true"; Output = {"none.txt"};', "ERROR_SV", "none.txt was not made"),
        ('Executable = "/bin/true"; Validationcommand = "/bin/false";', "ERROR_V", "validation ended with status 1"),
        ('Executable = "/bin/sleep"; Arguments = "60"; TTL = 1;', "ERROR_EW", "run-time limit of 1 s"),
    ],
)
def test_each_failure_has_its_state_and_its_reason(user: GridUser, jdl: str, state: str, reason: str) -> None:
    job_id = _submit(user, jdl)
    assert _wait_state(user, job_id, "DONE", *FAILURES) == state, _trace(user, job_id)
    assert reason in _trace(user, job_id)


@pytest.mark.parametrize(
    ("jdl", "code", "reason"),
    [
        ("Executable", 2, b"No such file"),
        ("A = 1;", 22, b"no Executable"),
        ('Executable = "/no/such";', 2, b"/no/such"),
        ('Executable = "/bin/true"; TTL = 99999999;', 22, b"TTL"),
        ('Executable = "/bin/true"; Price = -5;', 22, b"Price"),
        ('Executable = "/bin/true"; Packages = {"VO_ALICE@Root::6"};', 2, b"not defined"),
        ('Executable = "/bin/true"; Output = {"../../x"};', 22, b"relative"),
        ('Executable = "/bin/true"; Split = "xml";', 22, b"Split"),
        ('Executable = "/bin/true"; Split = "production:1-9999";', 22, b"parts"),
        ('Executable = "/bin/true"; Arguments = "$1";', 22, b"$1"),
        ("a = {" * 20_000 + "}", 22, b"22"),
    ],
)
def test_what_cannot_be_a_job_is_refused_at_once(user: GridUser, jdl: str, code: int, reason: bytes) -> None:
    if reason == b"22":
        reason = b""
    before = user.run("ps", "-A", "-id").stdout
    done = user.run("submit", jdl)
    assert done.returncode == code, done.stderr
    assert reason in done.stderr
    assert user.run("ps", "-A", "-id").stdout == before


def test_jobs_are_for_those_who_may_have_them(user: GridUser) -> None:
    stranger = GridUser(user.server, user.server.folder / "stranger")
    done = stranger.run("submit", 'Executable = "/bin/true";')
    assert (done.returncode, done.stdout) == (13, b"")
    job_id = _submit(user, 'Executable = "/bin/sleep"; Arguments = "30";')
    assert stranger.run("kill", str(job_id)).returncode == 1
    assert stranger.run("ps", "-jdl", str(job_id)).returncode == 1
    for command in (["ps", "-trace", "999999999"], ["jobInfo", "999999999"]):
        none = stranger.run(*command)
        assert (none.returncode, "there is no job 999999999" in none.stderr.decode()) == (3, True)
    assert stranger.run("resubmit", str(job_id)).returncode == 13
    assert user.run("kill", str(job_id)).returncode == 0
    assert _wait_state(user, job_id, "KILLED") == "KILLED"
    assert user.run("kill", str(job_id)).returncode == 16


def test_alien_py_submits_follows_and_kills(user: GridUser) -> None:
    _put(user, "sleep.jdl", 'Executable = "/bin/sleep"; Arguments = "$1"; # waits\n', "sleep.jdl")
    done = user.alien("submit", "sleep.jdl", "60")
    assert done.returncode == 0, done.stderr
    found = re.search(rb"Your new job ID is (\d+)", done.stdout)
    assert found
    job_id = int(found[1])
    _wait_state(user, job_id, "RUNNING")
    listed = user.alien("ps")
    assert listed.returncode == 0
    assert re.search(rb"tester +%d .* R +sleep" % job_id, listed.stdout)
    assert b'Arguments = "60"' in user.alien("ps", "-jdl", str(job_id)).stdout
    assert b"Job state transition from STARTED to RUNNING" in user.alien("ps", "-trace", str(job_id)).stdout
    assert b"WorkerNode: " in user.alien("jobInfo", str(job_id)).stdout
    assert user.alien("kill", str(job_id)).returncode == 0
    assert _wait_state(user, job_id, "KILLED") == "KILLED"
    quota = user.alien("quota")
    assert quota.returncode == 0, quota.stderr
    assert b"tester" in quota.stdout
    assert user.alien("getCE").returncode == 0


@pytest.mark.postgresql_too
def test_a_master_job_is_split_and_ends_with_its_parts(user: GridUser) -> None:
    jdl = """Executable = "/bin/sh"; Arguments = {"-c", "echo part #alien_counter# > part.txt; exit #alien_counter#"};
    Split = "production:0-1"; OutputDir = "split"; Output = {"part.txt"}; OutputErrorE = {"part.txt"};"""
    job_id = _submit(user, jdl)
    assert _wait_state(user, job_id, "DONE", "FAILED") == "FAILED"
    shown = user.alien("masterjob", str(job_id), "-printid")
    assert shown.returncode == 0
    assert [line for line in shown.stdout.decode().splitlines() if "ubjobs" in line] == [
        f"Subjobs in DONE: 1 ({job_id + 1})",
        f"Subjobs in ERROR_E: 1 ({job_id + 2})",
        "In total, there are 2 subjobs",
    ]
    assert (_get(user, "split/000/part.txt"), _get(user, "split/001/part.txt")) == ("part 0\n", "part 1\n")
    assert user.run("resubmit", str(job_id)).returncode == 0
    assert _wait_state(user, job_id, "DONE", "FAILED") == "FAILED"
    assert _trace(user, job_id + 1).count("to RUNNING") == 1
    assert _trace(user, job_id + 2).count("to RUNNING") == 2


@pytest.mark.postgresql_too
def test_no_more_jobs_than_the_quota_says(user: GridUser) -> None:
    admin = GridUser(user.server, user.server.folder / "boss")
    assert user.run("jquota", "set", "tester", "maxUnfinishedJobs", "2").returncode == 1
    assert admin.run("jquota", "set", "tester", "maxUnfinishedJobs", "2").returncode == 0
    try:
        done = user.run("submit", 'Executable = "/bin/true"; Split = "production:1-3";')
        assert done.returncode == 122, done.stderr
        assert b"may have 2" in done.stderr
    finally:
        assert admin.run("jquota", "set", "tester", "maxUnfinishedJobs", "1000").returncode == 0


def test_a_locked_computing_element_starts_no_jobs(user: GridUser) -> None:
    admin = GridUser(user.server, user.server.folder / "boss")
    assert user.run("setCEstatus", "-status", "locked").returncode == 1
    assert admin.run("setCEstatus", "-status", "locked").returncode == 0
    try:
        assert b"locked" in user.run("listCEs").stdout
        job_id = _submit(user, 'Executable = "/bin/true";')
        assert b"W" in user.run("ps", str(job_id)).stdout
        assert user.run("kill", str(job_id)).returncode == 0
        assert _read_state(user, job_id) == "KILLED"
    finally:
        assert admin.run("setCEstatus", "-status", "open").returncode == 0


def test_a_jobs_token_ends_with_the_job(user: GridUser) -> None:
    jdl = f'Executable = "/bin/sh"; Arguments = {{"-c", "cp $JALIEN_TOKEN_CERT $JALIEN_TOKEN_KEY {user.home}"}};'
    job_id = _submit(user, jdl)
    assert _wait_state(user, job_id, "DONE", *FAILURES) == "DONE", _trace(user, job_id)
    token = {name: str(user.home / file) for name, file in TOKEN.items()}
    done = user.run("pwd", environment=token)
    assert (done.returncode, done.stdout) == (129, b"")


@pytest.mark.postgresql_too
def test_the_server_is_killed_and_no_job_is_lost_or_run_twice(user: GridUser) -> None:
    log, go = user.home / "runs", user.home / "go"
    go.unlink(missing_ok=True)
    script = f"echo $ALIEN_PROC_ID >> {log}; while [ ! -e {go} ]; do sleep 0.1; done"
    ids = [_submit(user, f'Executable = "/bin/sh"; Arguments = {{"-c", "{script}"}};') for _ in range(4)]
    wait_for(lambda: log.exists() and len(log.read_text().split()) == 2, "two running jobs")
    user.server.kill()
    user.server.start()
    assert [_read_state(user, job_id) for job_id in ids] == ["RUNNING", "RUNNING", "WAITING", "WAITING"]
    user.server.kill()
    go.touch()
    user.server.start()
    assert [_wait_state(user, job_id, "DONE", *FAILURES) for job_id in ids] == ["DONE"] * 4
    assert sorted(map(int, log.read_text().split())) == ids


@pytest.mark.parametrize(
    ("run_as", "reason"), [("nosuchuser", "no such user"), ("nobody", "jobs would not reach .*, or chmod o\\+x ")]
)
def test_a_user_that_jobs_cannot_run_as_is_told_at_the_start(user: GridUser, run_as: str, reason: str) -> None:
    state = str(user.server.folder / run_as)
    assert user.world.run("grid", "pki", "--state", state, "init").returncode == 0
    done = user.world.run("grid", "serve", "--state", state, "--listen", "127.0.0.1:0", "--run-as", run_as)
    assert done.returncode == 2, done.stderr
    assert re.search(f"--run-as {run_as}: .*{reason}", done.stderr.decode())


def test_what_a_job_puts_into_an_archive_is_read_by_its_own_name(user: GridUser) -> None:
    script = "mkdir sub; seq 20000 > numbers.txt; echo in > 'sub/with blank.txt'; : > empty.txt; echo out > numbers.log"
    jdl = f"""Executable = "/bin/sh"; Arguments = {{"-c", "{script}"}};
    OutputDir = "archived"; OutputArchive = {{"all.zip:*.txt,sub/*@disk=1"}}; Output = {{"numbers.log"}};"""
    numbers = "".join(f"{number + 1}\n" for number in range(20_000))
    for _ in range(2):  # the second takes the first one's place
        job_id = _submit(user, jdl)
        assert _wait_state(user, job_id, "DONE", *FAILURES) == "DONE", _trace(user, job_id)
    assert _get(user, "archived/numbers.txt") == numbers
    assert _get(user, "archived/sub/with blank.txt") == "in\n"
    assert user.run("cat", "archived/numbers.txt").stdout.decode() == numbers
    assert user.run("stat", "archived/empty.txt").returncode == 0
    back = user.home / "members"
    done = user.run("cp", "-noxrdzip", "alien:archived/numbers.txt", f"file:{back}/here")
    assert (done.returncode, (back / "here").read_text()) == (0, numbers), done.stderr
    done = user.run("cp", "alien:archived/", f"file:{back}/all/")
    assert done.returncode == 0, done.stderr
    assert (back / "all" / "numbers.txt").read_text() == numbers
    assert b"no_se" in user.run("whereis", "archived/numbers.txt").stdout
    assert b"ZIP=numbers.txt" in user.run("whereis", "archived/numbers.txt").stdout
    assert b"#numbers.txt" in user.run("whereis", "-r", "archived/numbers.txt").stdout
    done = user.alien("cp", "alien:archived/numbers.txt", f"file:{back}/theirs")
    assert (done.returncode, (back / "theirs").read_text()) == (0, numbers), done.stdout
    assert user.run("cp", "alien:archived/numbers.txt", "alien:archived/own").returncode == 0
    assert _get(user, "archived/own") == numbers


def test_a_member_is_nothing_without_its_archive(user: GridUser) -> None:
    _put(user, "plain.zip", "no archive, but who knows", "plain.zip")
    sums = ("5", "0" * 32)
    assert user.run("registerMember", "plain.zip", "inner", *sums, "inner").returncode == 0
    done = user.run("cp", "alien:inner", f"file:{user.home}/inner")
    assert done.returncode != 0
    assert not (user.home / "inner").exists()
    assert user.run("rm", "plain.zip").returncode == 0
    assert b"the archive that it was in is gone" in user.run("cp", "alien:inner", f"file:{user.home}/inner").stderr
    for words in (("plain.zip", "x", *sums, "y"), ("/", "x", *sums, "y"), ("inner", "x", *sums, "y"),
                  ("inner", "a?b", *sums, "y"), ("inner", "x", "-1", "0", "y")):  # fmt: skip
        assert user.run("registerMember", *words).returncode != 0
