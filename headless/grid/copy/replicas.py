"""Where a file of the grid can be read; and where it cannot, whether it is lost, or is away."""

from collections.abc import Iterable, Sequence

from headless.grid.copy.access import Replica, parse_replicas
from headless.grid.copy.storage import explain, import_client
from headless.grid.copy.work import Work
from headless.grid.errnos import EBADFD, ENODATA, ENOENT
from headless.grid.messages import GridError

__all__ = ["ask_replicas", "explain_missing", "is_lost", "is_missing"]

LIMIT_S = 90


def ask_replicas(work: Work, lfn: str, specs: str) -> list[Replica]:
    """Where a file can be read, the best place first.

    Raises:
        GridError: nowhere.
    """
    work.check()
    reply = work.pool.run("access", "-nomsg", "read", lfn, *([specs] if specs else []))
    if reply.code:
        raise GridError(reply.code, f"{lfn}: {reply.error}")
    return parse_replicas(reply.rows, lfn)


def is_missing(replica: Replica) -> bool:
    """Whether a storage says that it has no such file; one that says nothing may have it."""
    address = replica.whole_address
    scheme, _, rest = address.partition("://")
    server, _, path = rest.partition("/")
    status, _ = import_client().FileSystem(f"{scheme}://{server}").stat(f"/{path.lstrip('/')}", timeout=LIMIT_S)
    return explain(status).code == ENODATA


def is_lost(work: Work, lfn: str) -> bool:
    """Whether a file of the catalogue is at none of its storages; where one of them is away, that is not known."""
    try:
        replicas = ask_replicas(work, lfn, "")
    except GridError as exc:
        return exc.exit_code == ENODATA
    if not all(map(is_missing, replicas)):
        return False
    return explain_missing(work, lfn, replicas, GridError(ENODATA, "")).exit_code == ENODATA


def explain_missing(work: Work, lfn: str, missing: Sequence[Replica], failure: GridError) -> GridError:
    """Why a file cannot be read of which replicas are missing.

    Args:
        work: of the run.
        lfn: of the file.
        missing: the replicas that their storages have not got; at least one.
        failure: what came last.

    Returns:
        ENODATA: every replica is missing; EBADFD: there are others, which nobody has offered or tried; ENOENT: the
        file was removed meanwhile; or the failure of another replica.
    """
    names = _join(replica.storage or replica.url for replica in missing)
    if failure.exit_code != ENODATA:
        return GridError(failure.exit_code, f"{failure}; and the replica at {names} is missing")
    reply = work.pool.run("whereis", "-nomsg", "-r", lfn)
    if reply.code == ENOENT:
        return GridError(ENOENT, f"{lfn} was removed meanwhile: {reply.error}")
    known = {row.get("seName", "") for row in reply.rows} if not reply.code else set()
    others = sorted(name for name in known - {replica.storage for replica in missing} if "::" in name)
    if others:
        said = f"the replica at {names} is missing, and {_join(others)}, which has one too, is away or was not tried"
        return GridError(EBADFD, said)
    return GridError(ENODATA, f"it is in the catalogue, and missing on storage, at {names}: {failure}")


def _join(names: Iterable[str]) -> str:
    return " and ".join(names)
