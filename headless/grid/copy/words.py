"""The words behind ``cp``, read: alien.py's options, and some of ours."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from headless.grid.copy.filters import Filters, compile_glob, compile_pattern, translate_name
from headless.grid.copy.values import CopyOptions
from headless.grid.errnos import EINVAL
from headless.grid.messages import GridError

__all__ = ["USAGE", "CopyWords", "parse_words"]


USAGE = """cp [OPTIONS] SOURCE... TARGET
cp [OPTIONS] -dst FOLDER SOURCE...
cp [OPTIONS] -input FILE          a file of lines 'SOURCE TARGET'; blanks are quoted as in a shell

file:PATH is a file of this machine; alien:LFN, or a path without a prefix, is one of the grid.
Behind a target on the grid: @disk:2,ALICE::CERN::EOS,!ALICE::GSI::SE says where replicas are to be.
A source folder is copied into the target folder under its name; with a slash at its end, its content is.

  -f                     replace targets that differ; the old one goes when the new one is safe
  -T N                   files copied at a time (8)       -S N            more TCP streams a connection (0)
  -chunks N              pieces under way at a time (4)   -chunksz BYTES  of a piece (4194304)
  -timeout SECONDS       for one try at one file          -retry N        tries that XRootD makes more (2)
  -ratethreshold BYTES   slowest rate, a second           -y N            sources, where a storage names some
  -P                     files that were not closed well do not stay (always)
  -parent N              keep the last N folders of the source's path
  -rmprefix N            keep the source's path but for its first N folders
  -strictspec            no other storage than asked for  -norecovery     no other storage where one fails
  -noxrdzip              take archive members out here    -dryrun         only print what would be copied
Of folders:
  -glob PATTERN | -select REGEX | -name begin_X_contain_Y_ends_Z_ext_E    which files
  -e PATTERN | -exclude TEXT | -exclude_re REGEX                          which not
  -a hidden ones too     -j ID, -jobid ID, -user NAME, -group NAME  whose
  -l N at most           -o N but for the first N
  -minsize -maxsize BYTES   -mindepth -maxdepth N   -min-ctime -max-ctime SECONDS SINCE 1970
Ours:
  --report FILE          a JSON line for each file as it ends
  --resume FILE          leave out what that report says is done, and still is there; sources and target as before.
                         With the same file as --report its rows stay: of several of a file the last counts
  -v                     a line for each file"""


@dataclass(frozen=True)
class CopyWords:
    """What was asked for.

    Attributes:
        options: how to copy.
        filters: which files of folders.
        places: sources and target, as written.
        folder: behind ``-dst``; empty if it was not given.
        pairs_file: behind ``-input``; likewise.
        parents: folders of a source's path to keep.
        prefix: leading folders of a source's path to drop, the others being kept; ``None`` keeps none.
        is_dry: whether nothing is to be copied.
        is_verbose: whether to print a line for each file.
        report: where to write what became of each file; empty for nowhere.
        resume: a report of an earlier run; empty for none.
    """

    options: CopyOptions
    filters: Filters
    places: tuple[str, ...]
    folder: str
    pairs_file: str
    parents: int
    prefix: int | None
    is_dry: bool
    is_verbose: bool
    report: str
    resume: str


def _number(least: int, most: int = 1 << 62) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,18}", text) or not least <= int(text) <= most:
            limits = f"{least} or more" if most > 1 << 60 else f"{least} to {most}"
            raise GridError(EINVAL, f"{text!r} is of no use: give a number, {limits}")
        return int(text)

    return parse


# What each option is called in CopyOptions, Filters or CopyWords, and how its value is read; None: it has none.
OPTIONS: dict[str, tuple[str, Callable[[str], Any] | None]] = {
    "-f": ("force", None), "-force": ("force", None), "-P": ("posc", None), "-v": ("is_verbose", None),
    "-T": ("parallel", _number(1, 256)), "-S": ("streams", _number(0, 15)), "-y": ("sources", _number(1, 16)),
    "-chunks": ("chunks", _number(1, 64)), "-chunksz": ("chunk_size", _number(4096, 1 << 30)),
    "-timeout": ("timeout_s", _number(0, 1 << 15)), "-retry": ("retries", _number(0, 100)),
    "-ratethreshold": ("rate_threshold", _number(0, (1 << 31) - 1)), "-noxrdzip": ("unzip_here", None),
    "-strictspec": ("strict_specs", None), "-norecovery": ("no_recovery", None), "-dryrun": ("is_dry", None),
    "-parent": ("parents", _number(0, 1000)), "-rmprefix": ("prefix", _number(0, 1000)), "-dst": ("folder", str),
    "-input": ("pairs_file", str), "-a": ("hidden", None), "-j": ("made_by", str), "-l": ("limit", _number(1)),
    "-o": ("offset", _number(0)), "-e": ("exclude_glob", compile_glob), "-glob": ("select", compile_glob),
    "-select": ("select", compile_pattern), "-name": ("select", translate_name), "-exclude": ("exclude_text", str),
    "-exclude_re": ("exclude_pattern", compile_pattern), "-user": ("user", str), "-group": ("group", str),
    "-jobid": ("job_id", str), "-minsize": ("min_size", _number(0)), "-maxsize": ("max_size", _number(0)),
    "-mindepth": ("min_depth", _number(0)), "-maxdepth": ("max_depth", _number(0)),
    "-min-ctime": ("min_time", _number(0)), "-max-ctime": ("max_time", _number(0)),
    "--report": ("report", str), "--resume": ("resume", str),
    "-fastcheck": ("", None), "-skipmd5": ("", None), "-cksum": ("", None),  # alien.py takes them, and so do we
}  # fmt: skip
MANY = ("exclude_glob", "exclude_text", "exclude_pattern")


def parse_words(words: Sequence[str]) -> CopyWords:
    """Read the words.

    Raises:
        GridError: EINVAL: they are of no use.
    """
    given: dict[str, Any] = {}
    places: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            places += rest
        elif not word.startswith("-") or word == "-":
            places.append(word)
        else:
            _take(given, word, rest)
    _check(given, places)
    return CopyWords(
        options=CopyOptions(recover=not given.pop("no_recovery", False), **_pick(given, CopyOptions)),
        filters=Filters(**_pick(given, Filters)),
        places=tuple(places),
        folder=given.get("folder", ""),
        pairs_file=given.get("pairs_file", ""),
        parents=given.get("parents", 0),
        prefix=given.get("prefix"),
        is_dry="is_dry" in given,
        is_verbose="is_verbose" in given,
        report=given.get("report", ""),
        resume=given.get("resume", ""),
    )


def _take(given: dict[str, Any], word: str, rest: Any) -> None:
    option, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
    if option == "-tpc":
        raise GridError(EINVAL, "cp -tpc: storages do not copy among themselves for us: leave it out")
    if option not in OPTIONS:
        raise GridError(EINVAL, f"cp: unknown option {option}: see cp -h")
    name, parse = OPTIONS[option]
    if parse is None:
        given[name] = True
        return
    text = value if equals else next(rest, None)
    if text is None:
        raise GridError(EINVAL, f"cp {option}: its value is missing")
    try:
        read = parse(text)
    except GridError as exc:
        raise GridError(EINVAL, f"cp {option}: {exc}") from exc
    if name == "select" and name in given:
        raise GridError(EINVAL, "cp: give only one of -glob, -select and -name")
    given[name] = (*given.get(name, ()), read) if name in MANY else read


def _check(given: dict[str, Any], places: list[str]) -> None:
    given.pop("", None)
    if "folder" in given and "pairs_file" in given:
        raise GridError(EINVAL, "cp: give only one of -dst and -input")
    if "pairs_file" in given and places:
        raise GridError(EINVAL, f"cp -input: {places[0]!r} is too much: sources and targets are in the file")
    if "pairs_file" not in given and len(places) < (1 if "folder" in given else 2):
        again = "; with --resume the same as in the first run" if "resume" in given else ""
        raise GridError(EINVAL, f"cp: give a source and a target{again}: see cp -h")
    if not all(places):
        raise GridError(EINVAL, "cp: an empty word names no file")
    if given.get("parents") and given.get("prefix") is not None:
        raise GridError(EINVAL, "cp: give only one of -parent and -rmprefix")


def _pick(given: dict[str, Any], kind: Any) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name in kind.__dataclass_fields__}
