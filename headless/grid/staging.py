"""Runs in the place of a job whose files are on the grid: it fetches them, runs the program, stores what it has made.

It works in the job's own folder, with the job's environment, OS user and grid credentials, and tells the supervisor
what came of the files; all else is the program's: its outputs, progress, result, exit status and signal.
"""

import base64
import json
import os
import posixpath
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from headless.config import read_environment
from headless.errors import HeadlessError
from headless.execution import runner
from headless.execution.files import write_atomically
from headless.grid.copy.copier import Copier
from headless.grid.copy.values import CopyOptions, Transfer
from headless.grid.errnos import ENOENT
from headless.grid.messages import GridError
from headless.grid.names import expand_lfn
from headless.grid.session import GridSession
from headless.grid.settings import open_settings

if sys.platform == "win32":
    raise ImportError("jobs run on POSIX systems only")

__all__ = ["run_staged"]

FOLDER = ".headless"  # in the job's own, for the script that was sent


def run_staged(text: str) -> int:
    """Run the job of a plan (``headless.server.staged``), in the working folder; return its exit status."""
    plan = json.loads(text)
    root = os.getcwd()
    try:
        _copy([(file["lfn"], file["path"], False) for file in plan["inputs"]], root)
    except (HeadlessError, OSError) as exc:
        _tell("not_started", f"its input could not be fetched: {exc}")
        return 1
    status = _run(plan, root)
    if status:
        return status
    outputs = [(file["lfn"], file["path"], True) for file in plan["outputs"]]
    try:
        for _, path, _ in outputs:
            _check_made(root, path)
        _copy(outputs, root)
    except (HeadlessError, OSError) as exc:
        kept = _keep(root, plan["job_id"], [path for _, path, _ in outputs])
        reason = f"its output could not be stored: {exc}; {kept}"
        print(reason, file=sys.stderr)  # noqa: T201  # a job's own output
        _tell("exception", reason)
        return 1
    return 0


def _copy(files: Sequence[tuple[str, str, bool]], root: str) -> None:
    """Copy files, given by LFN, path below the folder, and whether they are stored.

    Raises:
        HeadlessError: one could not be.
    """
    if not files:
        return
    with GridSession(open_settings()) as session:
        home = session.home
        transfers = [
            Transfer(expand_lfn(lfn, home, home), os.path.join(root, path), is_upload, root="" if is_upload else root)
            for lfn, path, is_upload in files
        ]
        for transfer in transfers:
            if transfer.is_upload:
                session.ask("mkdir", "-p", posixpath.dirname(transfer.lfn))
        with closing(Copier(session, CopyOptions(force=True))) as copier:
            for result in copier.run(transfers):
                if result.status == "failed":
                    raise GridError(result.code, f"{result.lfn}: {result.error}")


def _run(plan: dict[str, Any], root: str) -> int:
    """Run the program as a job's own process is run; return its status, or die of its signal."""
    script, folder = plan["script"], os.path.join(root, FOLDER)
    if not script:
        os.mkdir(folder, 0o700)
        script = os.path.join(folder, "script.py")
        write_atomically(script, base64.b64decode(plan["source"]), durable=False, mode=0o400)
    import_folder = os.path.dirname(plan["script"])
    command = [plan["python"] or sys.executable, "-I", runner.__file__, script, import_folder, *plan["arguments"]]
    status = subprocess.call(command, pass_fds=(runner.REPORT_FD,))  # noqa: S603  # no shell is wanted
    shutil.rmtree(folder, ignore_errors=True)
    if status < 0:
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status


def _check_made(root: str, path: str) -> None:
    real = os.path.realpath(os.path.join(root, path))
    if not os.path.isfile(real) or not real.startswith(os.path.realpath(root) + os.sep):
        raise GridError(ENOENT, f"the job has not made {path}")


def _keep(root: str, job_id: str, paths: Sequence[str]) -> str:
    """Move what was made to where it outlives the job's folder; say where that is."""
    folder = os.path.join(read_environment().state_folder, "unstored", job_id)
    made = [path for path in paths if os.path.isfile(os.path.join(root, path))]
    if not made:
        return "none of it was made"
    try:
        for path in made:
            target = os.path.join(folder, path)
            os.makedirs(os.path.dirname(target), 0o700, exist_ok=True)
            shutil.move(os.path.join(root, path), target)
    except OSError as exc:
        return f"it could not be kept in {folder} either: {exc.strerror}"
    return f"it is kept in {folder}"


def _tell(what: str, reason: str) -> None:
    """Tell the supervisor, if it is there."""
    try:
        os.write(runner.REPORT_FD, json.dumps({what: " ".join(reason.split())}).encode() + b"\n")
    except OSError:
        return
