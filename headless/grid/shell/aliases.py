"""Aliases: ``name=command`` lines of ``~/.alienpy_aliases``; a value may hold several commands."""

import shlex
from collections.abc import Mapping
from dataclasses import replace

from headless.grid.shell.words import Step, split_line

__all__ = ["expand_aliases", "read_aliases"]


def read_aliases(path: str) -> dict[str, str]:
    """Read the file, which need not exist; a line that is none counts for nothing."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read(1 << 20).splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines if not line.lstrip().startswith("#"))
    return {name.strip(): _unquote(value.strip()) for name, sign, value in pairs if sign and name.strip()}


def expand_aliases(step: Step, aliases: Mapping[str, str], seen: frozenset[str] = frozenset()) -> list[Step]:
    """Replace a command's first word, and so on in what comes out, but no name within itself.

    Raises:
        GridError: EINVAL: the alias's value cannot be read.
    """
    if not step.words or step.words[0] in seen or step.words[0] not in aliases:
        return [step]
    name, rest = step.words[0], step.words[1:]
    parts = [replace(part, line=step.line) for part in split_line(aliases[name])]
    if not parts:
        return [step]
    parts[-1] = _append(parts[-1], rest, step.shell)
    return [done for part in parts for done in expand_aliases(part, aliases, seen | {name})]


def _append(part: Step, rest: tuple[str, ...], shell: str) -> Step:
    """What stood behind the alias stands behind its last command now."""
    if not part.shell:
        return replace(part, words=part.words + rest, shell=shell)
    command = " ".join([part.shell, *map(shlex.quote, rest)])
    return replace(part, shell=f"{command} | {shell}" if shell else command)


def _unquote(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value
