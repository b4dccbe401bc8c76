"""What a grid's job runs: it fetches the input, runs the program, stores the output, with the job's own credentials.

It is started in an empty folder, with its plan (``serve/job_plan.py``) on standard input,
which nobody else can read. It tells where it is as progress (:data:`STEPS`), and what became of the job as its result.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from headless import job
from headless.errors import HeadlessError
from headless.execution.files import write_atomically
from headless.grid.copy.copier import Copier
from headless.grid.copy.hashing import hash_file
from headless.grid.copy.values import CopyOptions, Transfer
from headless.grid.errnos import ENOENT
from headless.grid.job_states import RUNNING, GridJobState
from headless.grid.messages import GridError
from headless.grid.names import is_member_name
from headless.grid.sandbox import Sandbox
from headless.grid.session import GridSession
from headless.grid.settings import read_client_settings

if sys.platform == "win32":
    raise ImportError("jobs run on POSIX systems only")

__all__ = ["STEPS", "run_payload"]

STEPS = RUNNING
"""A progress of N of N says that the job is in the N-th of these states, counted from 0."""

TAIL = 2000  # bytes of the program's own error output that are told when it fails


def run_payload() -> int:
    """Run the job of the plan on standard input; return its exit status, that of the program if that was run."""
    plan = json.load(sys.stdin.buffer)
    os.umask(0o077)
    return _Payload(plan, os.getcwd()).run()


class _Payload:
    def __init__(self, plan: Mapping[str, Any], folder: str) -> None:
        self._plan = plan
        self._credentials = os.path.join(folder, "credentials")
        self._temporary = os.path.join(folder, "tmp")
        self._sandbox = Sandbox(os.path.join(folder, "sandbox"))
        self._states: list[tuple[int, str]] = []
        self._environment: dict[str, str] = {}

    def run(self) -> int:
        """See :func:`run_payload`."""
        try:
            self._tell(GridJobState.STARTED)
            self._prepare()
            self._fetch()
        except (HeadlessError, OSError) as exc:
            return self._finish(GridJobState.ERROR_IB, f"input: {exc}", 1)
        self._tell(GridJobState.RUNNING)
        status = self._execute(self._plan["command"], self._plan["arguments"], "stdout", "stderr")
        if status:
            return self._fail(GridJobState.ERROR_E, f"the program ended with {_describe(status)}", status)
        if self._plan["validation"]:
            status = self._execute(self._plan["validation"], (), "validation.log", "validation.log")
            if status:
                return self._fail(GridJobState.ERROR_V, f"the validation ended with {_describe(status)}", status)
        self._tell(GridJobState.SAVING)
        try:
            self._store(self._plan["outputs"])
        except (HeadlessError, OSError) as exc:
            tail = self._read_program()
            return self._finish(GridJobState.ERROR_SV, f"output: {exc}; {tail}" if tail else f"output: {exc}", 1)
        return self._finish(GridJobState.DONE, "", 0)

    def _prepare(self) -> None:
        for folder in (self._credentials, self._temporary, self._sandbox.folder):
            os.mkdir(folder, 0o700)
        paths = {name: os.path.join(self._credentials, f"{name}.pem") for name in ("certificate", "key", "authority")}
        for name, path in paths.items():
            write_atomically(path, self._plan[name].encode(), durable=False, mode=0o400)
        self._environment = {
            **self._plan["environment"],
            "HOME": self._sandbox.folder,
            "TMPDIR": self._temporary,
            "JALIEN_TOKEN_CERT": paths["certificate"],
            "JALIEN_TOKEN_KEY": paths["key"],
            "X509_USER_CERT": paths["certificate"],
            "X509_USER_KEY": paths["key"],
            "X509_CERT_FILE": paths["authority"],
        }

    def _fetch(self) -> None:
        inputs: Sequence[tuple[str, str]] = self._plan["inputs"]
        root = self._sandbox.folder
        if inputs:
            with self._open_session() as session:
                transfers = [Transfer(lfn, os.path.join(root, name), False, root=root) for lfn, name in inputs]
                self._copy(session, transfers)
        for program in (self._plan["command"], self._plan["validation"]):
            if program.startswith("./"):
                os.chmod(os.path.join(root, program), 0o700)

    def _store(self, outputs: Sequence[Sequence[Any]]) -> None:
        """Store what is asked for.

        Raises:
            GridError: a file that was named is not there, or cannot be stored.
        """
        made = [
            file for archive, patterns, specs in outputs for file in self._sandbox.collect(archive, patterns, specs)
        ]
        files = {file.name: file for file in made}
        target = self._plan["output_dir"]
        root = self._sandbox.folder
        transfers = [
            Transfer(f"{target}/{file.name}", os.path.join(root, file.name), True, specs=file.specs)
            for file in files.values()
        ]
        if not transfers:
            return
        members = {name: file.name for file in files.values() for name in file.members if name not in files}
        with self._open_session() as session:
            session.ask("mkdir", "-p", target)
            self._copy(session, transfers)
            for name, archive in members.items():
                if is_member_name(name):
                    self._register_member(session, f"{target}/{archive}", name, f"{target}/{name}")

    def _register_member(self, session: GridSession, archive: str, name: str, lfn: str) -> None:
        """Enter a file of an archive that is stored; what was there goes, as where a file is stored."""
        with open(os.path.join(self._sandbox.folder, name), "rb") as file:
            size, md5 = os.fstat(file.fileno()).st_size, hash_file(file.fileno())
        if session.run("stat", "-nomsg", lfn).code != ENOENT:
            session.ask("rm", "-nomsg", "-f", lfn)
        if size:
            session.ask("registerMember", "-nomsg", archive, name, str(size), md5, lfn)
        else:
            session.ask("touch", "-nomsg", lfn)

    def _open_session(self) -> GridSession:
        return GridSession(read_client_settings(self._environment, self._sandbox.folder, os.getuid()))

    def _copy(self, session: GridSession, transfers: Sequence[Transfer]) -> None:
        with closing(Copier(session, CopyOptions(force=True))) as copier:
            for result in copier.run(transfers):
                if result.status == "failed":
                    raise GridError(result.code, f"{result.lfn}: {result.error}")

    def _execute(self, program: str, arguments: Sequence[str], stdout: str, stderr: str) -> int:
        """Run a program in the sandbox; return its status, 128 and more for a signal."""
        root = self._sandbox.folder
        with open(os.path.join(root, stdout), "ab") as out, open(os.path.join(root, stderr), "ab") as err:
            try:
                status = subprocess.call(  # noqa: S603  # the user's own program is what the job is for
                    [program, *arguments],
                    cwd=root,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                )
            except OSError as exc:
                err.write(f"{program}: {exc.strerror}\n".encode())
                return 127
        return status if status >= 0 else 128 - status

    def _fail(self, state: GridJobState, reason: str, status: int) -> int:
        is_own = state is GridJobState.ERROR_E
        tail = self._read_program() if is_own else self._sandbox.read_tail("validation.log", TAIL).strip()
        if self._plan["error_outputs"]:
            try:
                self._store(self._plan["error_outputs"])
            except (HeadlessError, OSError) as exc:
                reason = f"{reason}; its output could not be stored: {exc}"
        return self._finish(state, f"{reason}: {tail}" if tail else reason, status)

    def _read_program(self) -> str:
        """The end of what the program has printed: where its output is not stored, it is nowhere else."""
        tails = {name: self._sandbox.read_tail(name, TAIL).strip() for name in ("stderr", "stdout")}
        shown = f"stdout: {tails['stdout']}" if tails["stdout"] else ""
        return "; ".join(filter(None, (tails["stderr"], shown)))

    def _tell(self, state: GridJobState) -> None:
        self._states.append((int(time.time() * 1000), state))
        step = STEPS.index(state)
        job.progress(step, step)

    def _finish(self, state: GridJobState, reason: str, status: int) -> int:
        job.result({"state": state, "reason": " ".join(reason.split()), "states": self._states})
        return status


def _describe(status: int) -> str:
    return f"signal {status - 128}" if status > 128 else f"status {status}"
