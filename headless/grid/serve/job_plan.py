"""What a job is given when it starts: its plan for ``payload.py``, and all that the engine wants to know."""

import json
import os
import posixpath
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from headless.engines.base import EngineJob, OsUser
from headless.grid.serve.job_request import JobRequest

if sys.platform == "win32":
    raise ImportError("a grid of one's own runs on POSIX systems only")

__all__ = ["build_engine_job", "build_plan", "make_output_dir"]

SOURCE = b"from headless.grid.payload import run_payload\n\nraise SystemExit(run_payload())\n"
PATH = "/usr/local/bin:/usr/bin:/bin"
GRACE_S = 10.0


def make_output_dir(request: JobRequest, home: str, job_id: int) -> str:
    """Where a job's output goes."""
    return request.output_dir or posixpath.join(home, f"alien-job-{job_id}")


def build_plan(
    request: JobRequest, output_dir: str, credentials: tuple[bytes, bytes, bytes], environment: Mapping[str, str]
) -> bytes:
    """The plan, as JSON.

    Args:
        request: what the JDL asks for.
        output_dir: LFN of the folder for the output.
        credentials: certificate and key of the job's token, and the grid's authority; PEM.
        environment: for the program, beside what tells it where its credentials are.
    """
    certificate, key, authority = (data.decode() for data in credentials)
    plan: dict[str, Any] = {
        "command": request.command,
        "arguments": request.arguments,
        "validation": request.validation,
        "inputs": request.inputs,
        "outputs": [tuple(asdict(output).values()) for output in request.outputs],
        "error_outputs": [tuple(asdict(output).values()) for output in request.error_outputs],
        "output_dir": output_dir,
        "certificate": certificate,
        "key": key,
        "authority": authority,
        "environment": {**build_environment(), **request.variables, **environment},
    }
    return json.dumps(plan).encode()


def build_environment() -> dict[str, str]:
    """A clean one, in which ``headless`` is found."""
    return {"PATH": f"{os.path.dirname(sys.executable)}:{PATH}", "LANG": "C.UTF-8", "SHELL": "/bin/sh"}


def build_engine_job(run: str, job_id: int, ttl_s: int, plan_file: str, user: OsUser | None) -> EngineJob:
    """The job as the engine sees it.

    Args:
        run: the engine's name for this attempt.
        job_id: the grid's number of it.
        ttl_s: after which it is ended.
        plan_file: path of the plan.
        user: who it runs as; ``None`` for the server's own user.
    """
    return EngineJob(
        job_id=run,
        name=f"grid-job-{job_id}",
        script=None,
        source=SOURCE,
        arguments=(),
        environment=build_environment(),
        stdin=plan_file,
        user=user,
        max_runtime_s=float(ttl_s),
        grace_s=GRACE_S,
    )
