"""The command ``cp``, whose work is done in :mod:`headless.grid.copy`."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from headless.grid.messages import Reply, Row

if TYPE_CHECKING:
    from headless.grid.copy.values import TransferResult
    from headless.grid.shell.shell import Shell

__all__ = ["copy"]


def copy(shell: "Shell", name: str, args: list[str]) -> Reply:
    """``cp``; as JSON, a row for each file, as it ends where rows are lines."""
    from headless.grid.copy.command import copy_files

    rows: list[Row | str] = []

    def keep(result: "TransferResult") -> None:
        row = {name: _text(value) for name, value in asdict(result).items()}
        if shell.output.format == "jsonl":
            shell.output.show_row(row)
        else:
            rows.append(row)

    is_text = shell.output.format == "text"
    code, error = copy_files(
        shell.session,
        args,
        (lambda line: shell.output.write(line + "\n")) if is_text else lambda line: None,
        shell.output.error,
        None if is_text else keep,
    )
    return shell.answer(*rows, code=code, error=error)


def _text(value: Any) -> str:
    """As all rows have it: what is no text is written as JSON."""
    return value if isinstance(value, str) else json.dumps(value)
