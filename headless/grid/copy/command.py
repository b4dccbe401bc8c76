"""The command ``cp``: from its words to its exit code."""

import errno
import os
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing

from headless.grid.copy.copier import Copier
from headless.grid.copy.places import Place, check_specs, find_specs, parse_place
from headless.grid.copy.plan import Item, Plan
from headless.grid.copy.progress import ProgressBar
from headless.grid.copy.report import Report, Resume
from headless.grid.copy.signals import ended_by_signals
from headless.grid.copy.specs import Specs, parse_specs
from headless.grid.copy.upload import look
from headless.grid.copy.values import Known, Transfer, TransferResult
from headless.grid.copy.words import USAGE, CopyWords, parse_words
from headless.grid.messages import GridError
from headless.grid.session import GridSession

if sys.platform == "win32":
    raise ImportError("copying to and from the grid is for POSIX systems only")

__all__ = ["copy_files", "run_copy"]

Say = Callable[[str], None]
SHOWN = 20  # failed files; then only their number
HELP = ("-h", "-help", "--help")


def run_copy(session: GridSession, words: Sequence[str], say: Say, complain: Say) -> int:
    """Copy; see :func:`copy_files`. All that is to be said goes to ``say`` and ``complain``.

    Returns:
        0 if every file has arrived whole and is registered; else the errno that all failures share, or EIO.
    """
    code, error = copy_files(session, words, say, complain)
    if error:
        complain(error)
    return code


def copy_files(
    session: GridSession,
    words: Sequence[str],
    say: Say,
    complain: Say,
    keep: Callable[[TransferResult], None] | None = None,
) -> tuple[int, str]:
    """Copy. SIGTERM and SIGHUP, like SIGINT, end it with nothing left half, and then the process.

    Args:
        session: logged in; nothing else may use it meanwhile.
        words: behind ``cp``.
        say: takes a line for standard output.
        complain: takes a line for standard error.
        keep: is given every file's result.

    Returns:
        0 if every file has arrived whole and is registered; else the errno that all failures share, or EIO. And how
        many have failed, in a line; empty if none has.

    Raises:
        GridError: nothing was copied: the words, or the first source or the target, are of no use.
        ParameterError: XRootD is not installed.
    """
    if any(word in HELP for word in words):
        say(USAGE)
        return 0, ""
    asked = parse_words(words)
    with ExitStack() as stack:
        stack.enter_context(ended_by_signals())
        copier = stack.enter_context(closing(Copier(session, asked.options)))
        items = _plan(copier, asked)
        if asked.resume:
            items = Resume(asked.resume).leave_out(items, lambda lfn: _look(copier, lfn))
        if asked.is_dry:
            return _show(items, say, complain)
        report = _open_report(stack, asked)
        bar = stack.enter_context(ProgressBar(copier.gauge))
        summary = _Summary(say if asked.is_verbose else None, complain, bar, _find_specs(asked))
        results = stack.enter_context(closing(copier.run(items)))
        try:
            for result in results:
                if report is not None:
                    report.add(result)
                if keep is not None:
                    keep(result)
                summary.add(result)
        except GridError as exc:
            if not summary.total:
                raise
            summary.break_off(exc)
        summary.finish()
        return summary.code, summary.text


def _find_specs(asked: CopyWords) -> Specs:
    """The storage that was named behind the only target; of many targets each has its own."""
    target = asked.folder or (asked.places[-1] if asked.places and not asked.pairs_file else "")
    return parse_specs(find_specs(target))


def _open_report(stack: ExitStack, asked: CopyWords) -> Report | None:
    if not asked.report:
        return None
    goes_on = bool(asked.resume) and os.path.realpath(asked.report) == os.path.realpath(asked.resume)
    return stack.enter_context(closing(Report(asked.report, goes_on=goes_on)))


class _Summary:
    """Counts, and tells of failures."""

    def __init__(self, say: Say | None, complain: Say, bar: ProgressBar, specs: Specs) -> None:
        self._say = say
        self._complain = complain
        self._bar = bar
        self._specs = specs
        self._elsewhere: Counter[str] = Counter()
        self._codes: set[int] = set()
        self.total = self._failed = self._passed = 0

    def add(self, result: TransferResult) -> None:
        self._bar.ended += 1
        if result.status == "skipped" and result.error:
            self._tell(f"{result.path or result.lfn}: {result.error}")
            return
        self.total += 1
        if result.status == "failed":
            self._failed += 1
            self._codes.add(result.code)
            if self._failed <= SHOWN:
                self._tell(f"{_name(result)}: {result.error}")
            return
        if result.is_upload and result.status == "copied" and (others := self._specs.find_others(result.storages)):
            self._elsewhere[", ".join(others)] += 1
        if self._say is not None:
            self._bar.clear()
            self._say(f"{result.status} {_name(result)}")

    def finish(self) -> None:
        """Tell what was done otherwise than it was asked for."""
        for names, count in self._elsewhere.items():
            asked = ", ".join(self._specs.named)
            files = "1 file is" if count == 1 else f"{count} files are"
            self._tell(f"{files} at {names} instead of {asked}, which failed: -strictspec forbids that")

    def break_off(self, error: GridError) -> None:
        """The plan has ended before its end."""
        self._failed += 1
        self._codes.add(error.exit_code)
        self._tell(f"cp was broken off: {error}")

    @property
    def code(self) -> int:
        if not self._failed:
            return 0
        return next(iter(self._codes)) if len(self._codes) == 1 else errno.EIO

    @property
    def text(self) -> str:
        if not self._failed:
            return ""
        more = f"{self._failed - SHOWN} of them not shown: " if self._failed > SHOWN else ""
        return f"{more}{self._failed} of {self.total} files failed"

    def _tell(self, line: str) -> None:
        self._bar.clear()
        self._complain(line)


def _name(result: TransferResult) -> str:
    """The file, as one line, whatever is in its name."""
    source, target = (result.path, result.lfn) if result.is_upload else (result.lfn, result.path)
    return " -> ".join(part if part.isprintable() else repr(part) for part in (source, target) if part)


def _look(copier: Copier, lfn: str) -> Known | None:
    try:
        return look(copier.pool, lfn)
    except GridError:
        return None  # then it is copied, which tells why


def _plan(copier: Copier, asked: CopyWords) -> Iterator[Item]:
    plan = Plan(copier.pool, asked)
    if asked.pairs_file:
        return plan.copy_pairs(_read_pairs(copier, asked.pairs_file))
    places = [_parse(copier, text) for text in asked.places]
    if asked.folder:
        check_specs(asked.folder)
        return plan.copy_below(places, _parse(copier, asked.folder))
    check_specs(asked.places[-1])
    return plan.copy_all(places[:-1], places[-1])


def _parse(copier: Copier, text: str) -> Place:
    return parse_place(text, copier.pool.directory, copier.pool.home, os.getcwd())


def _read_pairs(copier: Copier, path: str) -> Iterator[tuple[Place, Place]]:
    try:
        with open(path.removeprefix("file:"), encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip() and not line.lstrip().startswith("#"):
                    yield _parse_pair(copier, line, f"{path}, line {number}")
    except (OSError, UnicodeDecodeError) as exc:
        code = exc.errno or errno.EIO if isinstance(exc, OSError) else errno.EILSEQ
        raise GridError(code, f"{path} cannot be read: {exc}") from exc


def _parse_pair(copier: Copier, line: str, where: str) -> tuple[Place, Place]:
    try:
        words = shlex.split(line)
    except ValueError as exc:
        raise GridError(errno.EINVAL, f"{where}: {exc}") from exc
    if len(words) != 2:
        raise GridError(errno.EINVAL, f"{where}: give a source and a target")
    return _parse(copier, words[0]), _parse(copier, words[1])


def _show(items: Iterable[Item], say: Say, complain: Say) -> tuple[int, str]:
    """What would be copied."""
    codes = set()
    for item in items:
        if isinstance(item, Transfer):
            source, target = (item.path, item.lfn) if item.is_upload else (item.lfn, item.path)
            say(f"{source} -> {target}")
        elif item.status == "skipped" and item.error:
            complain(f"{_name(item)}: {item.error}")
        elif item.status == "failed":
            codes.add(item.code)
            complain(f"{_name(item)}: {item.error}")
    if not codes:
        return 0, ""
    return next(iter(codes)) if len(codes) == 1 else errno.EIO, "not all of it could be copied"
