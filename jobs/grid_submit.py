"""Submit a job to the grid, wait for its end, fetch its output.

Arguments: JDL [ARGUMENT ...], and as needed --timeout SECONDS, --tag NAME, --fetch FOLDER, --kill-on-timeout, --poll
SECONDS (60), --env NAME=VALUE (repeatable). JDL is a file of this machine, LFN with alien: in front, or the text;
arguments take the places of $1, $2 ... in it. Name files in full: a job starts in its own folder.
Exit status: 0 done (and fetched); 1 no session, or refused: no job was taken; 2 bad options, or a JDL that is none;
3 the time is over, the job goes on; 4 the program failed (ERROR_E, ERROR_V, FAILED); 5 its files did (ERROR_IB,
ERROR_SV, DONE_WARN), or what it stored could not be fetched; 6 it was not started (ERROR_A and all other errors);
7 it was stopped (KILLED, EXPIRED, ERROR_EW), also by --kill-on-timeout; 8 it is lost (ZOMBIE), or it is not known
whether it was taken, or what became of it.
Duration: that of the job; without --timeout as long as it takes. It is asked for after 1 s, then ever more seldom.
What it changes: takes one job on the grid. Stop it and run it again at any time with the same --tag: the job that was
taken is followed on. Without --tag each run takes a job of its own; the answer to a submit may get lost all the same.
What it does not do: submit again what has failed (give another --tag for that).
Rights: to submit jobs; the grid's certificates as for headless grid.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from headless import job
from headless.errors import HeadlessError
from headless.grid.errnos import EINVAL, IN_DOUBT
from headless.grid.follow import Waiting, exit_code, find_outputs, follow, place_output
from headless.grid.messages import GridError
from headless.grid.names import expand_lfn
from headless.grid.session import GridSession
from headless.grid.settings import open_settings
from headless.grid.submit import read_jdl, submit
from headless.grid.sync import Mirror, mirror
from headless.grid.tokens import log_in

GRID = "alien:"
REFUSED, BAD, TIMED_OUT, STAGING, STOPPED, DOUBT = 1, 2, 3, 5, 7, 8
KILL_LIMIT_S = 60.0


class Finished(Exception):
    """It ends here, with this status."""

    def __init__(self, status: int, line: str) -> None:
        """Take the exit status, and why."""
        super().__init__(line)
        self.status = status


def complain(line: str) -> None:
    """Tell of a failure."""
    print(f"grid-submit: {line}", file=sys.stderr)


def parse_variable(text: str) -> tuple[str, str]:
    """Read NAME=VALUE."""
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise argparse.ArgumentTypeError(f"{text!r}: give NAME=VALUE")
    return name, value


def read_source(session: GridSession, text: str) -> str:
    """The JDL, wherever it is."""
    if text.startswith(GRID):
        home = session.home
        return read_jdl(session, expand_lfn(text, home, session.directory))
    if "=" in text and not os.path.exists(text):
        return text
    try:
        with open(text, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise Finished(BAD, f"{text} cannot be read: {error}") from error


def take(session: GridSession, options: argparse.Namespace) -> int:
    """Submit, or find what an earlier run has submitted; the job's number."""
    text = read_source(session, options.jdl)
    try:
        taken = submit(session, text, options.argument, tag=options.tag)
    except GridError as error:
        status = DOUBT if error.exit_code in IN_DOUBT else BAD if error.exit_code == EINVAL else REFUSED
        raise Finished(status, str(error)) from error
    print(f"job {taken.job_id} {'submitted' if taken.is_new else 'was submitted before'}", flush=True)
    return taken.job_id


def wait(session: GridSession, job_id: int, options: argparse.Namespace) -> str:
    """Follow the job; its final state."""
    steps = iter(range(1, sys.maxsize))

    def changed(state: str) -> None:
        print(f"job {job_id} {state}", flush=True)
        job.progress(next(steps), 0)

    state = follow(session, job_id, Waiting(options.timeout, options.poll), changed)
    if state is not None:
        return state
    if not options.kill_on_timeout:
        raise Finished(TIMED_OUT, f"job {job_id} has not ended within {options.timeout:g} s, and goes on")
    session.ask("kill", str(job_id))
    state = follow(session, job_id, Waiting(KILL_LIMIT_S, 2.0), changed)
    if state is None:
        raise Finished(TIMED_OUT, f"job {job_id} has not ended within {options.timeout:g} s, nor when it was killed")
    if exit_code(state) == STOPPED:
        raise Finished(STOPPED, f"job {job_id} has not ended within {options.timeout:g} s: it was killed")
    return state


def fetch(session: GridSession, job_id: int, folder: str) -> int:
    """Fetch all that the job has stored; how many files."""
    count = 0
    for name, lfn in list(find_outputs(session, job_id)):
        asked = Mirror(folder=place_output(os.path.abspath(folder), name), lfn=lfn, is_upload=False)
        counts = mirror(session, asked, lambda line: None, complain, lambda done, total: None)
        if counts["failed"]:
            raise Finished(STAGING, f"{counts['failed']} files of {lfn} could not be fetched")
        count += counts["copied"] + counts["same"]
    return count


def run(session: GridSession, options: argparse.Namespace) -> int:
    """All of it; the exit status."""
    job_id = take(session, options)
    job.result({"job_id": job_id, "state": None, "fetched": 0})
    try:
        state = wait(session, job_id, options)
    except HeadlessError as error:
        raise Finished(DOUBT, f"job {job_id} was taken, and what becomes of it is not known: {error}") from error
    job.result({"job_id": job_id, "state": state, "fetched": 0})
    if exit_code(state):
        complain(f"job {job_id} has ended as {state}: headless grid ps -trace {job_id}")
        return exit_code(state)
    try:
        fetched = fetch(session, job_id, options.fetch) if options.fetch else 0
    except (HeadlessError, OSError) as error:
        raise Finished(STAGING, f"the output of job {job_id} could not be fetched: {error}") from error
    job.result({"job_id": job_id, "state": state, "fetched": fetched})
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    codes = str(__doc__).partition("Exit status: ")[2].partition("\nDuration")[0]
    parser = argparse.ArgumentParser(
        "grid-submit", description="Submit a job to the grid, wait for its end.", epilog=f"Exit status: {codes}"
    )
    parser.add_argument("jdl", help="a file; with alien: in front, one of the grid; or the text")
    parser.add_argument("argument", nargs="*", help="for $1, $2 ... in the JDL")
    parser.add_argument("--timeout", type=float, help="seconds to wait for the end; left out: as long as it takes")
    parser.add_argument("--kill-on-timeout", action="store_true", help="kill the job when the time is over")
    parser.add_argument("--tag", default="", help="names this submit: a second run with it follows the same job")
    parser.add_argument("--fetch", default="", help="a folder to lay the output in")
    parser.add_argument("--poll", type=float, default=60.0, help="seconds between two looks, at most")
    parser.add_argument("--env", action="append", default=[], type=parse_variable, help="a variable of headless grid")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job with these arguments, by default the process's; return the exit status."""
    parser = build_parser()
    options = parser.parse_args(argv)
    if not options.poll >= 1 or (options.timeout is not None and not options.timeout > 0):  # nan is neither
        parser.error("--poll takes 1 or more, --timeout more than 0")
    try:
        with log_in(open_settings(dict(options.env))) as session:
            return run(session, options)
    except Finished as end:
        complain(str(end))
        return end.status
    except HeadlessError as error:
        complain(str(error))
        return REFUSED


if __name__ == "__main__":
    raise SystemExit(main())
