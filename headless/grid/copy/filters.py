"""Which of the files below a folder are copied."""

import re
from dataclasses import dataclass

from headless.grid.errnos import EINVAL
from headless.grid.messages import GridError

__all__ = ["Filters", "Found", "compile_glob", "compile_pattern", "is_hidden", "translate_name"]

VERBS = ("begin", "contain", "ends", "ext")


@dataclass(frozen=True, slots=True)
class Found:
    """A file below a folder that is being copied.

    Attributes:
        path: whole.
        relative: below the folder.
        size: in bytes; -1 if it is not known.
        changed_s: when it was made or changed, seconds since 1970; 0 if it is not known.
        user: whose it is.
        group: likewise.
        job_id: that has made it; empty where nobody knows.
        md5: empty if it is not known.
    """

    path: str
    relative: str
    size: int
    changed_s: float = 0
    user: str = ""
    group: str = ""
    job_id: str = ""
    md5: str = ""


@dataclass(frozen=True, kw_only=True)
class Filters:
    """The conditions; ``None`` and empty ones hold for all.

    Attributes:
        select: is searched for in the path, or is a pattern for the name.
        hidden: whether names that begin with a dot are taken.
        limit: how many files of each folder at most.
        offset: how many files of each folder are passed over first.
        made_by: the job that has made the files, asked of the server.
    """

    select: "re.Pattern[str] | None" = None
    exclude_glob: tuple["re.Pattern[str]", ...] = ()
    exclude_text: tuple[str, ...] = ()
    exclude_pattern: tuple["re.Pattern[str]", ...] = ()
    hidden: bool = False
    limit: int | None = None
    offset: int = 0
    made_by: str = ""
    user: str = ""
    group: str = ""
    job_id: str = ""
    min_size: int = 0
    max_size: int | None = None
    min_depth: int = 0
    max_depth: int | None = None
    min_time: int = 0
    max_time: int | None = None

    def take(self, found: Found) -> bool:
        """Whether a file is copied."""
        if not self.takes_name(found.path, found.relative):
            return False
        return self._takes_owner(found) and self._takes_numbers(found, found.relative.count("/") + 1)

    def takes_name(self, path: str, relative: str) -> bool:
        """Whether a file is copied, as far as its name says."""
        if not self.hidden and is_hidden(relative):
            return False
        if self.select is not None and not self.select.search(path):
            return False
        if any(text in path for text in self.exclude_text):
            return False
        return not any(pattern.search(path) for pattern in (*self.exclude_glob, *self.exclude_pattern))

    @property
    def is_open(self) -> bool:
        """Whether all files are taken, but for hidden ones."""
        return self == Filters(hidden=self.hidden)

    def _takes_owner(self, found: Found) -> bool:
        wanted = ((self.user, found.user), (self.group, found.group), (self.job_id, found.job_id))
        return all(not what or what == is_ for what, is_ in wanted)

    def _takes_numbers(self, found: Found, depth: int) -> bool:
        limits = (
            (self.min_size, found.size, self.max_size),
            (self.min_depth, depth, self.max_depth),
            (self.min_time, found.changed_s, self.max_time),
        )
        return all((not least or least <= is_) and (most is None or is_ <= most) for least, is_, most in limits)


def is_hidden(relative: str) -> bool:
    """Whether a file is hidden below a folder: it, or a folder on the way to it."""
    return any(name.startswith(".") for name in relative.split("/"))


def compile_pattern(text: str) -> "re.Pattern[str]":
    """A regular expression.

    Raises:
        GridError: EINVAL: it is none.
    """
    try:
        return re.compile(text)
    except (re.error, RecursionError, OverflowError) as exc:
        raise GridError(EINVAL, f"{text!r} is no regular expression: {exc}") from exc


def compile_glob(text: str) -> "re.Pattern[str]":
    """A shell's pattern for names, to be searched for in paths; its wildcards stand for no slash.

    Raises:
        GridError: EINVAL: it is none.
    """
    parts = re.findall(r"\[!?\]?[^\]]*\]|.", text, re.DOTALL)
    return compile_pattern("(?:^|/)" + "".join(map(_translate_wild, parts)) + r"\Z")


def _translate_wild(part: str) -> str:
    if len(part) > 1:
        negated = part[1] == "!"
        inside = part[2 if negated else 1 : -1].replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
        return f"(?!/)[{'^' if negated else ''}{inside.replace('^', chr(92) + '^')}]"
    return {"*": "[^/]*", "?": "[^/]"}.get(part, re.escape(part))


def translate_name(text: str) -> "re.Pattern[str]":
    """Alien.py's ``begin_X_contain_Y_ends_Z_ext_E``, all of it about the file's name.

    Raises:
        GridError: EINVAL: it is none of those.
    """
    words = text.split("_")
    pairs = list(zip(words[::2], words[1::2], strict=False))
    verbs = [verb for verb, _ in pairs]
    is_right = len(words) % 2 == 0 and all(verb in VERBS and what for verb, what in pairs)
    if not is_right or any(verbs.count(verb) > 1 for verb in ("begin", "ends", "ext")):
        raise GridError(EINVAL, f"{text!r} is of no use: give begin_X_contain_Y_ends_Z_ext_E, or some of them")
    given = {verb: re.escape(what) for verb, what in pairs}
    contain = "".join(f"(?=[^/]*{re.escape(what)})" for verb, what in pairs if verb == "contain")
    extension = rf"\.{given['ext']}" if "ext" in given else ""
    # With both, the end is that of the name without its extension.
    return re.compile(f"(?:^|/){contain}{given.get('begin', '')}[^/]*{given.get('ends', '')}{extension}$")
