"""``find2``: ``find`` with the conditions that ``cp`` has, looked at here."""

from headless.grid.errnos import EINVAL, ENOENT
from headless.grid.messages import GridError, Reply, Row
from headless.grid.shell.shell import Shell

__all__ = ["find"]

PASSED = ("-v", "-s", "-f", "-d", "-w", "-wh")  # alien.py takes them, and so do we


def find(shell: Shell, name: str, args: list[str]) -> Reply:
    """List the files below a folder that all conditions fit; none is a failure, as in alien.py."""
    from headless.grid.copy.filters import compile_glob
    from headless.grid.copy.lost import Lost
    from headless.grid.copy.places import WILD
    from headless.grid.copy.pool import SessionPool
    from headless.grid.copy.walk_grid import walk_grid
    from headless.grid.copy.words import parse_words

    try:
        asked = parse_words([*(word for word in args if word not in PASSED), "-a", "-dst", "."])
    except GridError as exc:
        raise GridError(EINVAL, f"find2{str(exc).removeprefix('cp').replace('cp -h', 'find2 -h')}") from exc
    if len(asked.places) != 1:
        raise GridError(EINVAL, "find2: give one folder, behind the options")
    folder, matches = asked.places[0], None
    if WILD.search(folder):
        folder, _, pattern = folder.rpartition("/")
        matches, folder = compile_glob(pattern), folder or "."
    if WILD.search(folder):
        raise GridError(EINVAL, "find2: only the last part of the path may be a pattern")
    pool = SessionPool(shell.session)
    rows: list[Row] = []
    try:
        for found in walk_grid(pool, shell.resolve(folder).rstrip("/") or "/", asked.filters):
            if isinstance(found, Lost):
                raise GridError(found.code, found.error)
            if asked.filters.take(found) and (matches is None or matches.search(found.path)):
                rows.append({"lfn": found.path, "size": str(found.size), "md5": found.md5, "message": found.path})
    finally:
        pool.close()
    if not rows:
        raise GridError(ENOENT, f"find2: no file below {folder} fits")
    first, most = asked.filters.offset, asked.filters.limit
    return shell.answer(*rows[first : None if most is None else first + most])
