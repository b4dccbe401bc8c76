"""A master job's parts: ``Split`` of a JDL. No I/O."""

import posixpath
import re
from collections.abc import Sequence

from headless.grid.errnos import EINVAL
from headless.grid.jdl import TAG, Jdl, Value
from headless.grid.messages import GridError

__all__ = ["MAX_PARTS", "split_jdl"]

MAX_PARTS = 1500  # JAliEn's own limit
_RANGE = re.compile(r"production:([0-9]{1,9})-([0-9]{1,9})")
_COUNTER = re.compile(r"#alien_counter(?:_0?([0-9])i)?#")
_PREFIX = "LF:"


def split_jdl(jdl: Jdl) -> list[Jdl]:
    """The parts of a master job, in order; none of a job that is no master.

    ``#alien_counter#`` and ``#alien_counter_03i#`` become the part's number in all texts. An ``OutputDir`` without it
    gets a folder for each part, else one would write over the other.

    Raises:
        GridError: EINVAL: there is no such way to split, or there would be too many parts.
    """
    how = jdl.read_text("Split").strip()
    if not how:
        return []
    kept = Jdl(
        {name: value for name, value in jdl.fields.items() if not name.lower().startswith(("split", TAG.lower()))}
    )
    if more := jdl.find("SplitArguments"):
        kept = kept.replace({"SplitArguments": more})
    output_dir = kept.read_text("OutputDir")
    if output_dir and not _COUNTER.search(output_dir):
        kept = kept.replace({"OutputDir": f"{output_dir.rstrip('/')}/#alien_counter_03i#"})
    return [_count(part, number) for number, part in _list_parts(kept, how, int(jdl.read_number(_GROUP, 1)))]


_GROUP = "SplitMaxInputFileNumber"


def _list_parts(jdl: Jdl, how: str, group: int) -> list[tuple[int, Jdl]]:
    if (found := _RANGE.fullmatch(how)) is not None:
        first, last = int(found[1]), int(found[2])
        _check_count(last - first + 1)
        return [(number, jdl) for number in range(first, last + 1)]
    files = jdl.read_list("InputData")
    if how == "file":
        size = max(1, group)
        groups: Sequence[tuple[str, ...]] = [files[start : start + size] for start in range(0, len(files), size)]
    elif how == "directory":
        folders: dict[str, list[str]] = {}
        for file in files:
            folders.setdefault(posixpath.dirname(file.removeprefix(_PREFIX)), []).append(file)
        groups = [tuple(found) for found in folders.values()]
    else:
        raise GridError(EINVAL, f"Split {how[:40]!r}: use production:FIRST-LAST, file or directory")
    _check_count(len(groups))
    return [(number, jdl.replace({"InputData": found})) for number, found in enumerate(groups, 1)]


def _check_count(count: int) -> None:
    if not 1 <= count <= MAX_PARTS:
        raise GridError(EINVAL, f"the job would be split into {count} parts: 1 to {MAX_PARTS} can be")


def _count(jdl: Jdl, number: int) -> Jdl:
    return Jdl({name: _fill(value, number) for name, value in jdl.fields.items()})


def _fill(value: Value, number: int) -> Value:
    if isinstance(value, tuple):
        return tuple(_fill_text(text, number) for text in value)
    return _fill_text(value, number) if isinstance(value, str) else value


def _fill_text(text: str, number: int) -> str:
    return _COUNTER.sub(lambda found: str(number).zfill(int(found[1] or 1)), text)
