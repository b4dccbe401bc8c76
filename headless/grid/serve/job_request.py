"""What a JDL asks for, with all that can be wrong with it found out before a job is taken. No I/O."""

import posixpath
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from headless.grid.errnos import EINVAL, ENOENT
from headless.grid.jdl import TAG, Jdl
from headless.grid.messages import GridError

__all__ = ["MAX_TTL_S", "JobRequest", "Output", "Places", "build_request", "read_tag"]

DEFAULT_TTL_S = 21_600
MAX_TTL_S = 172_800 - 7_200
"""Seconds: a job's token lives two days at most, and the output must be stored with it."""

MAX_TAG = 128
MAX_PRICE = 1_000_000
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SPEC = re.compile(r"[A-Za-z0-9_:=!.,-]*")


@dataclass(frozen=True)
class Output:
    """Files of the sandbox to be stored.

    Attributes:
        archive: the ZIP file that they are put into; empty to store each by itself.
        patterns: names, relative to the sandbox; ``*`` and ``?`` match.
        specs: storage, as ``cp`` takes it behind ``@``.
    """

    archive: str
    patterns: tuple[str, ...]
    specs: str


@dataclass(frozen=True)
class JobRequest:
    """A job, as it is to be run.

    Attributes:
        name: of the executable, for people.
        command: what is run: ``./name`` of the sandbox, or the path of a program of the machine.
        arguments: of it.
        inputs: LFN and name in the sandbox of each file that is fetched before; the executable is one of them.
        outputs: stored when the program has ended well.
        error_outputs: stored when it has not.
        output_dir: LFN of a folder; empty for one named after the job.
        validation: run after the program, as ``command``; empty for nothing.
        variables: for the job's environment, as the JDL names them.
        ttl_s: seconds that the job may take, from the first file fetched to the last one stored.
        priority: the larger, the sooner.
    """

    name: str
    command: str
    arguments: tuple[str, ...]
    inputs: tuple[tuple[str, str], ...]
    outputs: tuple[Output, ...]
    error_outputs: tuple[Output, ...]
    output_dir: str
    validation: str
    variables: Mapping[str, str]
    ttl_s: int
    priority: int


@dataclass(frozen=True)
class Places:
    """Where names of a JDL are looked for.

    Attributes:
        home: of the user, for relative LFNs.
        is_file: whether there is a file of this LFN.
        is_program: whether this path is a program of the machine.
    """

    home: str
    is_file: Callable[[str], bool]
    is_program: Callable[[str], bool]


def build_request(jdl: Jdl, places: Places) -> JobRequest:
    """Read what a job's JDL asks for.

    Raises:
        GridError: EINVAL, ENOENT: it asks for what cannot be had.
    """
    inputs = _read_inputs(jdl, places.home)
    executable = jdl.read_text("Executable").strip()
    if not executable:
        raise GridError(EINVAL, "the JDL has no Executable")
    command = _find_program(executable, inputs, places)
    validation = jdl.read_text("Validationcommand").strip()
    if packages := jdl.read_list("Packages"):
        raise GridError(ENOENT, f"the package {packages[0]} is not defined on this grid")
    output_dir = jdl.read_text("OutputDir").strip()
    return JobRequest(
        name=posixpath.basename(executable),
        command=command,
        arguments=_read_arguments(jdl),
        validation=_find_program(validation, inputs, places) if validation else "",
        inputs=tuple((lfn, name) for name, lfn in inputs.items()),
        outputs=_read_outputs(jdl, ("Output", "OutputFile", "OutputArchive")),
        error_outputs=_read_outputs(jdl, ("OutputErrorE",)),
        output_dir=_resolve(output_dir, places.home) if output_dir else "",
        variables=_read_variables(jdl),
        ttl_s=_read_ttl(jdl),
        priority=_read_price(jdl),
    )


def read_tag(jdl: Jdl) -> str | None:
    """The name that a client has given this very submit, if it has.

    Raises:
        GridError: EINVAL: it is too long.
    """
    tag = jdl.read_text(TAG)
    if len(tag) > MAX_TAG:
        raise GridError(EINVAL, f"{TAG} has more than {MAX_TAG} characters")
    return tag or None


def _read_inputs(jdl: Jdl, home: str) -> dict[str, str]:
    """LFNs by their names in the sandbox."""
    inputs: dict[str, str] = {}
    for text in (*jdl.read_list("InputFile"), *jdl.read_list("InputBox"), *jdl.read_list("InputData")):
        lfn, _, option = text.strip().removeprefix("LF:").partition(",")
        if option == "nodownload":
            continue
        lfn = _resolve(lfn, home)
        _add_input(inputs, lfn)
    return inputs


def _add_input(inputs: dict[str, str], lfn: str) -> str:
    name = posixpath.basename(lfn)
    if not name:
        raise GridError(EINVAL, f"{lfn!r} is no file")
    if inputs.setdefault(name, lfn) != lfn:
        raise GridError(EINVAL, f"two files of the job are called {name}: {inputs[name]} and {lfn}")
    return name


def _find_program(text: str, inputs: dict[str, str], places: Places) -> str:
    """What to run for a name; a program of the catalogue becomes one of the inputs."""
    if not text.startswith("/"):
        if text in inputs:
            return f"./{text}"
        lfn = posixpath.join(places.home, "bin", text)
        if "/" in text or not places.is_file(lfn):
            raise GridError(
                ENOENT, f"{text}: no such program in {posixpath.join(places.home, 'bin')}, or among InputFile"
            )
        return f"./{_add_input(inputs, lfn)}"
    path = posixpath.normpath(text)
    if places.is_file(path):
        return f"./{_add_input(inputs, path)}"
    if not places.is_program(path):
        raise GridError(ENOENT, f"{text}: neither a file of the catalogue nor a program of the machine")
    return path


def _read_arguments(jdl: Jdl) -> tuple[str, ...]:
    """A list is taken as it is; one text is split as a shell would."""
    found: list[str] = []
    for name in ("Arguments", "SplitArguments"):
        value = jdl.find(name)
        if isinstance(value, tuple):
            found += value
            continue
        try:
            found += shlex.split(jdl.read_text(name))
        except ValueError as exc:
            raise GridError(EINVAL, f"{name} in the JDL: {exc}") from exc
    if any("\0" in argument for argument in found):
        raise GridError(EINVAL, "Arguments in the JDL hold a NUL")
    return tuple(found)


def _read_outputs(jdl: Jdl, names: Sequence[str]) -> tuple[Output, ...]:
    return tuple(_parse_output(text.strip()) for name in names for text in jdl.read_list(name))


def _parse_output(text: str) -> Output:
    """Read ``name@disk=2``, ``*.root@SE`` or ``all.zip:stdout,*.log@disk=1``."""
    files, _, specs = text.partition("@")
    archive, colon, members = files.partition(":")
    patterns = tuple(member.strip() for member in members.split(",")) if colon else (files,)
    for name in (archive, *patterns) if colon else patterns:
        if not name or name.startswith("/") or "\0" in name or ".." in name.split("/"):
            raise GridError(EINVAL, f"{text!r} in the JDL: names of output are relative to the job's folder")
    if not _SPEC.fullmatch(specs):
        raise GridError(EINVAL, f"{text!r} in the JDL: what stands behind @ is no storage")
    return Output(archive if colon else "", patterns, specs.replace("=", ":"))


def _read_variables(jdl: Jdl) -> dict[str, str]:
    """The fields that ``JDLVariables`` names, as ``ALIEN_JDL_...``; and what every job is told."""
    variables = {}
    for name in jdl.read_list("JDLVariables"):
        if not _NAME.fullmatch(name):
            raise GridError(EINVAL, f"JDLVariables: {name!r} is no name")
        value = "##".join(jdl.read_list(name))
        if "\0" in value:
            raise GridError(EINVAL, f"{name} in the JDL holds a NUL")
        variables[f"ALIEN_JDL_{name.upper()}"] = value
    return variables


def _read_ttl(jdl: Jdl) -> int:
    ttl_s = jdl.read_number("TTL", DEFAULT_TTL_S)
    if not 1 <= ttl_s <= MAX_TTL_S:
        raise GridError(EINVAL, f"TTL in the JDL is {ttl_s:g}: give 1 to {MAX_TTL_S} seconds")
    return int(ttl_s)


def _read_price(jdl: Jdl) -> int:
    price = jdl.read_number("Price", 1)
    if not 1 <= price <= MAX_PRICE:  # what is below would make jobs free, or pay back
        raise GridError(EINVAL, f"Price in the JDL is {price:g}: give 1 to {MAX_PRICE}")
    return int(price)


def _resolve(lfn: str, home: str) -> str:
    if not lfn or "\0" in lfn:
        raise GridError(EINVAL, f"{lfn!r} in the JDL is no LFN")
    if lfn == "~" or lfn.startswith("~/"):
        lfn = home + lfn[1:]
    return posixpath.normpath(posixpath.join(home, lfn))
