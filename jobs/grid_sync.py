"""Mirror a folder to or from the grid: only what differs is copied.

Arguments: SOURCE TARGET, one of them a folder of this machine, the other LFN of a folder with alien: in front; and as
needed --delete, --allow-empty, --exclude PATTERN (repeatable), --dry-run, --report FILE, --storage SPECS, --parallel
COUNT, --env NAME=VALUE (repeatable), -v. Name local folders in full: a job starts in its own.
Exit status: 0 both sides are alike; 1 something could not be copied or deleted (a line each on stderr, the rest is
done); 2 bad options, no session, or a side that cannot be listed (nothing is done).
Duration: that of listing both sides and copying what differs; files of the same size are read to compare their MD5,
unless --report names a file of an earlier run that tells of them.
What it changes: the target. Files are replaced when the new one is whole and verified. With --delete, what the source
has not is removed from the target, after all copies; never if one has failed or a listing was not whole, and not if the
source is empty (--allow-empty). Stop it and run it again at any time.
What it does not do: remove folders; copy empty folders, links to folders, devices; keep modes and times; touch what
matches --exclude, or lies below a folder that does, on either side.
Rights: to read the source and write the target; the grid's certificates as for headless grid.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from headless import job
from headless.errors import HeadlessError
from headless.grid.copy.filters import compile_glob
from headless.grid.names import expand_lfn
from headless.grid.settings import open_settings
from headless.grid.sync import Mirror, mirror
from headless.grid.tokens import log_in

GRID = "alien:"


def shown(text: str) -> str:
    """As one line, whatever is in a file's name."""
    return text if text.isprintable() else ascii(text)


def complain(line: str) -> None:
    """Tell of a failure."""
    print(f"grid-sync: {shown(line)}", file=sys.stderr)


def parse_variable(text: str) -> tuple[str, str]:
    """Read NAME=VALUE."""
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise argparse.ArgumentTypeError(f"{text!r}: give NAME=VALUE")
    return name, value


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser("grid-sync", description="Mirror a folder to or from the grid.")
    parser.add_argument("source", help="a folder; with alien: in front, one of the grid")
    parser.add_argument("target", help="the other one")
    parser.add_argument("--delete", action="store_true", help="remove from the target what the source has not")
    parser.add_argument("--allow-empty", action="store_true", help="also if the source is empty")
    parser.add_argument("--exclude", action="append", default=[], help="leave such names alone, as *.tmp; repeatable")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, do nothing")
    parser.add_argument("--report", default="", help="a file with a JSON line for each file; a later run goes on there")
    parser.add_argument("--storage", default="", help="where uploads go, as disk:2,VO::SITE::NAME")
    parser.add_argument("--parallel", type=int, default=8, help="files copied at a time")
    parser.add_argument("--env", action="append", default=[], type=parse_variable, help="a variable of headless grid")
    parser.add_argument("-v", "--verbose", action="store_true", help="say what is done")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job with these arguments, by default the process's; return the exit status."""
    parser = build_parser()
    options = parser.parse_args(argv)
    is_upload = options.target.startswith(GRID)
    if is_upload == options.source.startswith(GRID):
        parser.error("one side is a folder of this machine, the other one of the grid, with alien: in front")
    if not 1 <= options.parallel <= 64:
        parser.error("--parallel takes 1 to 64")
    folder, lfn = (options.source, options.target) if is_upload else (options.target, options.source)
    say = print if options.verbose or options.dry_run else lambda line: None
    try:
        with log_in(open_settings(dict(options.env))) as session:
            home = session.home
            asked = Mirror(
                folder=os.path.abspath(folder),
                lfn=expand_lfn(lfn, home, session.directory).rstrip("/") or "/",
                is_upload=is_upload,
                delete=options.delete,
                takes_empty=options.allow_empty,
                is_dry=options.dry_run,
                exclude=tuple(map(compile_glob, options.exclude)),
                specs=options.storage,
                report=options.report,
                parallel=options.parallel,
            )
            counts = mirror(session, asked, lambda line: say(shown(line)), complain, job.progress)
    except (HeadlessError, OSError) as error:
        complain(str(error))
        return 2
    job.result({"folder": asked.folder, "lfn": asked.lfn, "upload": is_upload, "dry_run": asked.is_dry, **counts})
    if options.verbose:
        print(", ".join(f"{count} {what}" for what, count in counts.items()))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
