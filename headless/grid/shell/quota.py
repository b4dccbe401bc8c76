"""``quota``: what a user has and may have, of jobs and of files."""

from headless.grid.errnos import ENODATA
from headless.grid.messages import GridError, Reply, Row
from headless.grid.shell.shell import Shell

__all__ = ["show_quota"]

HOUR_S, MIB = 3600, 1 << 20


def show_quota(shell: Shell, name: str, args: list[str]) -> Reply:
    """Both quotas in one report, as alien.py writes it."""
    session = shell.session
    if not session.user:
        session.ask("pwd")
    user = args[0] if args else session.user
    jobs, files = (_only(shell.query(command, "list", user), command) for command in ("jquota", "fquota"))
    return shell.answer({**jobs, **files, "message": "\n".join(_write_report(user, jobs, files))})


def _only(reply: Reply, command: str) -> Row:
    if not reply.rows:
        raise GridError(ENODATA, f"{command}: the server tells of no quota")
    return reply.rows[0]


def _write_report(user: str, jobs: Row, files: Row) -> list[str]:
    running, waiting = int(_number(jobs, "running")), int(_number(jobs, "waiting"))
    most = _number(jobs, "maxUnfinishedJobs")
    # Older servers spell these in another way.
    nominal = _number(jobs, "nominalParallelJobs", "nominalparallelJobs")
    parallel = _number(jobs, "maxParallelJobs", "maxparallelJobs")
    size, most_size = (_number(files, key) / MIB for key in ("totalSize", "maxTotalSize"))
    count, most_count = _number(files, "nbFiles"), _number(files, "maxNbFiles")
    return [
        f"Quota report for user : {jobs.get('username', user)}",
        f"Unfinished jobs(R + W / Max):\t\t{running} + {waiting} / {most:.0f} -->"
        f" {_share(running + waiting, most)}% used",
        _write_hours("Running time (last 24h) used/max:\t", jobs, "totalRunningTimeLast24h", "maxTotalRunningTime"),
        _write_hours("CPU Cost (last 24h) used/max:\t\t", jobs, "totalCpuCostLast24h", "maxTotalCpuCost"),
        f"ParallelJobs (nominal/max) :\t{nominal:.0f}/{parallel:.0f}",
        f"Storage size :\t\t\t{size:.2f}/{most_size:.2f} MiB --> {_share(size, most_size)}%",
        f"Number of files :\t\t{count:.0f}/{most_count:.0f} --> {_share(count, most_count)}%",
    ]


def _write_hours(title: str, row: Row, used: str, most: str) -> str:
    hours, most_hours = _number(row, used) / HOUR_S, _number(row, most) / HOUR_S
    return f"{title}{hours:.2f}/{most_hours:.2f}(h) --> {_share(hours, most_hours)}% used"


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole if whole > 0 else 0:.2f}"


def _number(row: Row, *keys: str) -> float:
    text = next((row[key] for key in keys if key in row), "0")
    try:
        return float(text)
    except ValueError:
        return 0.0
