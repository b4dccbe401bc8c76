"""Delete files older than N days below a folder.

Arguments: FOLDER --days N, and as needed --pattern GLOB (repeatable), --keep-newest COUNT,
--remove-empty-folders, --cross-filesystems, --dry-run, -v. Name the folder in full: a job starts in its own.
Exit status: 0 all that was due is deleted; 1 something could not be looked at or deleted (a line each on
stderr, the rest is done); 2 bad options, or a folder that is missing or refused (nothing is deleted).
Duration: seconds for 100 000 files on a local disk. Rights: to read and write the folders; in a sticky one
like /tmp also to own each file, or root.
What it changes: regular files last modified more than N days ago are deleted; with --remove-empty-folders so
are folders that are empty then and were last changed before that, too. Stop it and run it again at any time.
What it does not do: follow a link, even one put in place while it runs; delete a link, a socket, a pipe, a
device or FOLDER itself; enter another file system (a bind mount of the same one is entered); see that a file
is still open, or was replaced in the instant before its deletion; take a home or a folder of the system as
FOLDER; go deeper than 200 folders; run on Windows, where no file is named relative to an open folder.
"""

import argparse
import errno
import os
import stat
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

from headless import job

REFUSED = ("/", "~", "/bin", "/boot", "/etc", "/home", "/lib", "/opt", "/root", "/sbin", "/usr", "/var")
DEPTH_LIMIT = 200  # each level holds a descriptor: an endless tree must not stop the work on the rest


class Tidy:
    """One run. Each name is used relative to its open folder, so that no link can lead out."""

    def __init__(self, options: argparse.Namespace, now: float) -> None:
        """Take the options of ``main`` and the time that ages count back from, in seconds since the epoch."""
        self.options = options
        self.before = now - options.days * 86400
        self.counts = Counter(deleted=0, bytes=0, folders_removed=0, failed=0)

    def tidy(self, folder: int, path: str, depth: int = 0) -> int:
        """Tidy below an open folder; return how many of its entries stay."""
        kept, files, names = 0, [], sorted(os.listdir(folder))
        for number, name in enumerate(names, 1):
            try:
                entry = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if stat.S_ISDIR(entry.st_mode):
                    kept += self._tidy_below(folder, name, entry, os.path.join(path, name), depth + 1)
                elif stat.S_ISREG(entry.st_mode) and any(fnmatchcase(name, p) for p in self.options.pattern):
                    files.append((entry.st_mtime, name, entry.st_size))
                else:
                    kept += 1
            except OSError as error:
                kept += self._failed(os.path.join(path, name), error)
            if depth == 0:
                job.progress(number, len(names))
        files.sort()
        for place, (modified, name, size) in enumerate(files, self.options.keep_newest):
            if modified < self.before and place < len(files):
                kept += self._remove("deleted", os.unlink, folder, name, os.path.join(path, name), size)
            else:
                kept += 1
        return kept

    def _tidy_below(self, parent: int, name: str, seen: os.stat_result, path: str, depth: int) -> int:
        """Tidy a folder of a folder and remove it if it is due; return 1 if it stays, else 0."""
        is_mount = seen.st_dev != os.fstat(parent).st_dev
        if is_mount and not self.options.cross_filesystems:
            return 1
        if depth > DEPTH_LIMIT:
            raise OSError(errno.ELOOP, f"more than {DEPTH_LIMIT} folders deep, left as it is")
        folder = open_folder(name, parent)
        try:
            if not os.path.samestat(seen, os.fstat(folder)):
                raise OSError(errno.ESTALE, "replaced while it was looked at, left as it is")
            kept = self.tidy(folder, path, depth)
        finally:
            os.close(folder)
        # Its time from before its files went: a folder that someone has just made for use stays.
        if kept or is_mount or not self.options.remove_empty_folders or seen.st_mtime >= self.before:
            return 1
        return self._remove("folders_removed", os.rmdir, parent, name, path)

    def _remove(self, what: str, remove: Callable[..., None], folder: int, name: str, path: str, size: int = 0) -> int:
        """Remove an entry, in a dry run only say so; return 1 if it stays, else 0."""
        try:
            if not self.options.dry_run:
                remove(name, dir_fd=folder)
        except OSError as error:
            return self._failed(path, error)
        self.counts.update({what: 1, "bytes": size})
        if self.options.dry_run or self.options.verbose:
            print(f"{'would be deleted' if self.options.dry_run else 'deleted'}: {shown(path)}")
        return 0

    def _failed(self, path: str, error: OSError) -> int:
        """Report it, unless the entry went by itself or has been put to use; return 1 if it stays, else 0."""
        if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST):
            self.counts["failed"] += 1
            print(f"tidy: {shown(path)}: {error.strerror}", file=sys.stderr)
        return int(error.errno != errno.ENOENT)


def open_folder(name: str, parent: int | None = None) -> int:
    """Open a folder, never through a link in its place; the caller closes the descriptor."""
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)


def shown(path: str) -> str:
    """The path as one line that every output takes, whatever bytes the name is made of."""
    text = path if path.isprintable() else ascii(path)
    return text.encode(sys.stdout.encoding, "backslashreplace").decode(sys.stdout.encoding)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job with these arguments, by default the process's; return the exit status."""
    parser = argparse.ArgumentParser("tidy", description="Delete files older than N days below a folder.")
    parser.add_argument("folder")
    parser.add_argument("--days", type=float, required=True, help="by last modification; 0.5 is 12 hours")
    parser.add_argument("--pattern", action="append", help="only files named so, as *.log; repeatable")
    parser.add_argument("--keep-newest", type=int, default=0, help="per folder, so many of the files stay")
    parser.add_argument("--remove-empty-folders", action="store_true", help="that are as old, too")
    parser.add_argument("--cross-filesystems", action="store_true", help="enter what is mounted below, too")
    parser.add_argument("--dry-run", action="store_true", help="say what would be deleted, delete nothing")
    parser.add_argument("-v", "--verbose", action="store_true", help="say what is deleted")
    options = parser.parse_args(argv)
    options.pattern = options.pattern or ["*"]
    if not 0 <= options.days < float("inf") or options.keep_newest < 0:
        parser.error("--days and --keep-newest take 0 or more")
    path = options.folder.rstrip("/") or options.folder  # with a slash at its end a link is followed
    try:
        refused = filter(os.path.exists, map(os.path.expanduser, REFUSED))
        if any(os.path.samefile(path, name) for name in refused):
            raise OSError(errno.EPERM, "a home or a folder of the system, name one below it")
        folder = open_folder(path)
    except OSError as error:
        reason = "a link, name the folder that it leads to" if os.path.islink(path) else error.strerror
        print(f"tidy: {shown(path)}: {reason}", file=sys.stderr)
        return 2
    run = Tidy(options, time.time())
    run.tidy(folder, path)
    os.close(folder)
    job.result({"folder": path, "dry_run": options.dry_run, **run.counts})
    return 1 if run.counts["failed"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
