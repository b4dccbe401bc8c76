"""Turns in a job's life that only a certain order of events brings about."""

import asyncio
import json
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from headless.engines.local import LocalEngine
from headless.errors import Unavailable
from headless.job import JobState
from headless.protocol.codec import encode_bytes
from headless.protocol.messages import JobStart
from headless.server.admission import Admission
from headless.server.audit import AuditLog
from headless.server.chronicle import Chronicle
from headless.server.hooks.actions import Hooks
from headless.server.jobs import Jobs
from headless.server.journal import Journal
from headless.server.login import Account
from headless.server.modules import Modules
from headless.server.schema import JOURNAL
from headless.server.settings import ServerSettings
from headless.server.state import prepare_state
from headless.server.uploads import Uploads
from headless.server.users import User, UserStore
from launch_support import wait_code
from raw_session import RawSession, new_job_id, raw_session
from support import TIME_SCALE, World, wait_for


def log_in(session: RawSession) -> RawSession:
    session.result("login.osuser")
    return session


def read_state(session: RawSession, job_id: str) -> str:
    return str(session.result("job.show", job_id=job_id)["state"])


def test_words_of_a_job_that_no_database_takes_hold_nothing_up(world: World) -> None:
    server = world.serve(tls=False)
    options = ["-s", server.unix, "-t", "-1", "--name", "odd", "--overlap", "skip"]
    for _ in range(2):  # the second one finds the name free
        done = world.run(*options, "-c", r"raise ValueError('bad \udc80 and \0 name')")
        assert done.returncode == 4, done.stderr
        assert b"ValueError: bad ? and" in done.stderr
    listed = world.run("jobs", "list", "-s", server.unix, "--json")
    assert [job["state"] for job in json.loads(listed.stdout)] == ["failed", "failed"]
    assert "action=bug" not in server.log


def test_a_turn_that_comes_too_late_is_none_also_after_a_restart(world: World) -> None:
    server = world.serve("--max-running", "1", tls=False)
    mark, ran = world.home / "mark", world.home / "ran"
    late = new_job_id()
    with raw_session(server.unix) as session:
        log_in(session).start_code(wait_code(mark))
        answer = session.start_code(f"open({str(ran)!r}, 'w')", late, start_within=2.0)
        assert answer["result"]["state"] == "waiting"
        server.crash()
    time.sleep(2.2)  # longer than it may wait, by a clock that no server watches
    mark.touch()
    again = world.serve("--max-running", "1", state=server.state, tls=False)
    with raw_session(again.unix) as session:
        log_in(session)
        wait_for(lambda: read_state(session, late) == "stopped", "the end of its waiting")
        assert session.result("job.show", job_id=late)["ending"] == "expired"
    assert not ran.exists()


def test_a_start_that_is_too_late_is_not_accepted(world: World) -> None:
    server = world.serve(tls=False)
    with raw_session(server.unix) as session:
        error = log_in(session).start_code("pass", start_within=0)["error"]
        assert error["data"] == {"exit_code": 6}
        assert "too late" in error["message"]
        assert session.result("job.list") == {"jobs": [], "more": False}


def test_a_place_that_a_refused_start_has_held_is_given_to_whoever_waits(world: World) -> None:
    server = world.serve("--max-running", "2", tls=False)
    mark = world.home / "mark"
    with raw_session(server.unix) as one, raw_session(server.unix) as two, raw_session(server.unix) as three:
        for session in (one, two, three):
            log_in(session)
        holder = one.start_code(wait_code(mark))["result"]["job_id"]
        wait_for(lambda: read_state(one, holder) == "running", "the start of the first")
        other = sqlite3.connect(server.state / JOURNAL.file, isolation_level=None)
        other.execute("begin immediate")  # the journal stands still: all starts are decided together, later
        source = encode_bytes(b"pass")
        skipped, wanted = new_job_id(), new_job_id()
        for session, job_id, more in ((two, skipped, {"overlap": "skip"}), (three, wanted, {"name": "other"})):
            params = {"job_id": job_id, "kind": "code", "name": "code", "source": source, **more}
            session.send(json.dumps({"jsonrpc": "2.0", "id": 99, "method": "job.start", "params": params}))
            time.sleep(0.3)  # the first one takes the place
        other.rollback()
        other.close()
        assert two.receive()["error"]["data"] == {"exit_code": 6}
        assert "result" in three.receive()
        wait_for(lambda: read_state(three, wanted) == "ended", "the job that was told to wait")
        assert read_state(one, holder) == "running"
    mark.touch()


class LossyJournal(Journal):
    """Commits, and then loses the answer: what a cut connection to a database does."""

    loses = False

    async def write(self, function: Callable[[Connection], Any]) -> Any:
        result = await super().write(function)
        if self.loses:
            type(self).loses = False
            raise Unavailable("the answer was lost")
        return result


def test_a_job_whose_acceptance_was_written_unheard_runs_once_and_ends(tmp_path: Path) -> None:
    state, ran = tmp_path / "state", tmp_path / "ran"
    prepare_state(str(state))
    settings = ServerSettings(state=str(state))
    source = encode_bytes(f"open({str(ran)!r}, 'a').write('x')".encode())

    async def main() -> None:
        journal = LossyJournal.open("", str(state))
        audit = AuditLog(str(state))
        environment = {"PATH": os.defpath}
        engine = LocalEngine(str(state / "jobs"), environment, max_output=1000, descriptors=64)
        admission = Admission(settings, Modules([]), UserStore(str(state)))
        chronicle = Chronicle(journal, audit, lambda record: Hooks(), lambda: None)
        jobs = Jobs(settings, admission, chronicle, engine, Uploads(str(state / "uploads"), 1000))
        owner = Account(User("root"), "osuser", is_owner=True)
        start = JobStart(new_job_id(), "code", "code", source=source)
        LossyJournal.loses = True
        job = await jobs.start(owner, start, "here")
        assert await jobs.start(owner, start, "here") is job
        async with asyncio.timeout(20 * TIME_SCALE):
            while not job.state.is_final:
                await asyncio.sleep(0.02)
        assert job.state is JobState.ENDED
        await jobs.settle()
        assert jobs.running == 0
        await engine.close()
        await journal.close()
        await audit.close()

    asyncio.run(main())
    assert ran.read_text() == "x"


def test_a_job_that_was_forgotten_does_not_run_a_second_time(world: World) -> None:
    server, ran, job_id = world.serve(tls=False), world.home / "ran", new_job_id()
    code = f"open({str(ran)!r}, 'a').write('x')"
    with raw_session(server.unix) as session:
        log_in(session).start_code(code, job_id)
        wait_for(lambda: read_state(session, job_id) == "ended", "the end")
        server.wait_log(f"end job={job_id}")
        assert session.result("job.prune", older=0)["removed"] == 1
        error = session.start_code(code, job_id)["error"]
        assert error["data"] == {"exit_code": 8}
    assert ran.read_text() == "x"


def test_whoever_runs_a_job_again_is_who_it_belongs_to(world: World) -> None:
    server = world.serve()
    login = server.add_user("mallory", "--allow-code")
    assert world.run(*login, "-c", "pass", "-t", "-1").returncode == 0
    listed = json.loads(world.run("jobs", "list", "-s", server.unix, "--json").stdout)
    refused = world.run("jobs", "rerun", "-s", server.unix, listed[0]["job_id"])
    assert refused.returncode == 5
    assert b"mallory's, who alone may run it again" in refused.stderr
    assert world.run("jobs", "rerun", *login, listed[0]["job_id"], "-t", "-1").returncode == 0


def test_a_module_s_name_is_for_those_who_may_run_it(world: World) -> None:
    server = world.serve()
    eve, adam = (
        server.add_user("eve", "--allow-code"),
        server.add_user("adam", "--allow-code", "--allow-module", "tidy"),
    )
    refused = world.run(*eve, "-c", "pass", "--name", "tidy", "-t", "-1")
    assert refused.returncode == 5
    assert b"'tidy' is the name of a module that eve may not run" in refused.stderr
    assert world.run(*adam, "-c", "pass", "--name", "tidy", "-t", "-1").returncode == 0
    assert world.run(*eve, "-c", "pass", "--name", "other", "-t", "-1").returncode == 0
