"""The manual page headless(1), from the same source as ``--help``. Run as ``python -m headless.cli.manual FOLDER``."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

import headless
from headless.cli.commands import load_command
from headless.cli.launch import launch
from headless.cli.main import COMMANDS

__all__ = ["build_manual"]

HELP = ["-h", "--help"]  # sub-commands have it from their group's context, which is not there here


def build_manual() -> str:
    """The page as troff (man(7))."""
    return "\n".join(_build_lines()) + "\n"


def _build_lines() -> Iterator[str]:
    yield f'.TH HEADLESS 1 "" "headless {headless.__version__}" "User Commands"'
    yield ".SH NAME"
    yield "headless \\- run jobs on a server with nobody at the keyboard"
    yield ".SH SYNOPSIS"
    yield ".B headless"
    yield "OPTIONS [-- ARGUMENTS]"
    yield ".br"
    yield ".B headless"
    yield "COMMAND ..."
    yield ".SH DESCRIPTION"
    yield from _build_text(launch.help or "")
    yield ".SH OPTIONS"
    yield from _build_options(launch)
    yield from _build_text(launch.epilog or "")
    for name in sorted(COMMANDS):
        yield from _build_command(f"headless {name}", load_command(name))


def _build_command(path: str, command: click.Command) -> Iterator[str]:
    yield f'.SH "{path.upper()}"'
    yield f".B {_escape(_usage(path, command))}"
    yield ".PP"
    yield from _build_text(command.help or "")
    yield from _build_options(command)
    yield from _build_text(command.epilog or "")
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in sorted(command.list_commands(context)):
            child = command.get_command(context, name)
            if child is not None:
                yield from _build_command(f"{path} {name}", child)


def _usage(path: str, command: click.Command) -> str:
    context = click.Context(command, info_name=path, help_option_names=HELP)
    return " ".join([path, *command.collect_usage_pieces(context)])


def _build_options(command: click.Command) -> Iterator[str]:
    context = click.Context(command, help_option_names=HELP)
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is not None:
            yield ".TP"
            yield f".B {_escape(record[0])}"
            yield _escape(record[1])


def _build_text(text: str) -> Iterator[str]:
    """Paragraphs; those that click's ``\\b`` marks keep their lines."""
    for paragraph in text.replace("\r", "").split("\n\n"):
        lines = [line for line in paragraph.splitlines() if line.strip()]
        if not lines:
            continue
        yield ".PP"
        if lines[0].strip() == "\b":
            yield ".nf"
            yield from map(_escape, lines[1:])
            yield ".fi"
        else:
            yield _escape(" ".join(line.strip() for line in lines))


def _escape(text: str) -> str:
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


if __name__ == "__main__":
    (Path(sys.argv[1]) / "headless.1").write_text(build_manual(), encoding="utf-8")
