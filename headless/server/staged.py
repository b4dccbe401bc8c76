"""A job whose files are on the grid: a program of ours runs in its place, which fetches them, runs it, stores them.

That program is ``headless.grid.staging``, named in a text: the server itself knows nothing of grids.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from headless.job import JobSpec
from headless.protocol.codec import encode_bytes
from headless.protocol.staging import parse_inputs, parse_outputs

__all__ = ["Program", "wrap_staged"]

SOURCE = """from headless.grid.staging import run_staged

raise SystemExit(run_staged({plan!r}))
"""


@dataclass(frozen=True)
class Program:
    """What an engine runs.

    Attributes:
        script: path of a module; ``None`` for the source.
        source: of a script or of code.
        arguments: of it.
        python: the interpreter; empty for the engine's own.
    """

    script: str | None
    source: bytes
    arguments: Sequence[str]
    python: str


def wrap_staged(program: Program, spec: JobSpec) -> Program:
    """The program that runs in a job's place. It needs headless itself, so it has the engine's own interpreter."""
    plan = {
        "job_id": spec.job_id,
        "script": program.script or "",
        "source": encode_bytes(program.source),
        "arguments": list(program.arguments),
        "python": program.python,
        "inputs": [asdict(staged) for staged in parse_inputs(spec.inputs)],
        "outputs": [asdict(staged) for staged in parse_outputs(spec.outputs)],
    }
    return Program(None, SOURCE.format(plan=json.dumps(plan)).encode(), (), "")
