"""Where a grid's jobs run: this machine, as one site; and what each job is given."""

import os
import sys

from sqlalchemy import Connection, select

from headless.engines.base import EngineJob, OsUser
from headless.engines.os_users import find_closed_folder, read_os_user
from headless.errors import ParameterError
from headless.grid.errnos import EACCES, ENOENT
from headless.grid.jdl import Jdl, parse_jdl
from headless.grid.messages import GridError
from headless.grid.serve.call import User
from headless.grid.serve.catalogue import Catalogue
from headless.grid.serve.entries import find_entry
from headless.grid.serve.job_plan import build_engine_job, build_plan, make_output_dir
from headless.grid.serve.job_request import JobRequest, Places, build_request
from headless.grid.serve.job_table import SITE, JobRow
from headless.grid.serve.pki import Authority
from headless.grid.serve.schema import users
from headless.grid.serve.settings import GridSettings
from headless.grid.serve.tokens import TokenSubject, issue_token
from headless.transport.address import TcpAddress

if sys.platform == "win32":
    raise ImportError("a grid of one's own runs on POSIX systems only")

__all__ = ["JobSite"]

ROLE = "jobs"
TOKEN_SPARE_S = 3600  # by which a job's token outlives the job


class JobSite:
    """This machine, as a site.

    Attributes:
        os_user: who jobs run as; ``None`` for the server's own user.
    """

    def __init__(self, settings: GridSettings, catalogue: Catalogue, authority: Authority, place: TcpAddress) -> None:
        """Args:
        settings: of the grid.
        catalogue: where users and files are.
        authority: signs the jobs' tokens.
        place: where the grid listens.

        Raises:
            ParameterError: there is no such OS user, or this server cannot run anything as another.
        """
        self.os_user = _find_os_user(settings)
        self._may_run_as = bool(os.geteuid() or settings.run_as)
        self._who = settings.jobs
        self._catalogue = catalogue
        self._authority = authority
        self._environment = {"ALIENPY_JCENTRAL": _find_host(place), "ALIENPY_JCENTRAL_PORT": str(place.port)}

    def check_allowed(self, user: User) -> None:
        """Refuse whoever may not have jobs here.

        Raises:
            GridError: EACCES.
        """
        if self._who == "off":
            raise GridError(EACCES, "this grid runs no jobs (--jobs)")
        if self._who == "role" and not (user.is_admin or ROLE in user.roles):
            raise GridError(EACCES, f"jobs are for users with the role {ROLE!r}")
        if not self._may_run_as:
            raise GridError(EACCES, "this grid's server is root: it runs jobs only if --run-as says as whom")

    async def read_request(self, jdl: Jdl, home: str) -> JobRequest:
        """What a JDL asks for, looked up in the catalogue and on the machine.

        Raises:
            GridError: it asks for what cannot be had.
        """
        return await self._catalogue.read(lambda connection: build_request(jdl, self.find_places(connection, home)))

    def find_places(self, connection: Connection, home: str) -> Places:
        """Where a JDL's names are looked for."""

        def is_file(lfn: str) -> bool:
            entry = find_entry(connection, lfn)
            return entry is not None and not entry.is_folder

        return Places(home, is_file, _is_program)

    async def build_plan(self, row: JobRow) -> bytes:
        """What a job gets when it starts; its token is good until the job ends.

        Raises:
            GridError: its owner is gone, or what it asks for is.
        """
        home = await self._catalogue.read(lambda connection: _find_home(connection, row.owner))
        request = await self.read_request(parse_jdl(row.jdl), home)
        token = TokenSubject("job", row.owner, row.owner, row.id)
        certificate, key = await issue_token(self._authority, token, row.ttl_s + TOKEN_SPARE_S, [])
        with open(os.path.join(self._authority.folder, "ca.pem"), "rb") as file:
            authority = file.read()
        output_dir = make_output_dir(request, home, row.id)
        environment = {
            **self._environment,
            "ALIEN_PROC_ID": str(row.id),
            "ALIEN_MASTERJOBID": str(row.master_id or row.id),
            "ALIEN_USER": row.owner,
            "ALIEN_SITE": SITE.split("::")[1],
            "ALIEN_JDL_OUTPUTDIR": output_dir,
        }
        return build_plan(request, output_dir, (certificate, key, authority), environment)

    def build_engine_job(self, row: JobRow, plan_file: str) -> EngineJob:
        """The job as the engine sees it."""
        return build_engine_job(row.run, row.id, row.ttl_s, plan_file, self.os_user)


def _find_os_user(settings: GridSettings) -> OsUser | None:
    name = settings.run_as
    if not name:
        return None
    try:
        user = read_os_user(name)
    except KeyError as exc:
        raise ParameterError(f"--run-as {name}: there is no such user on this machine") from exc
    if os.geteuid() == user.uid:
        return None
    if os.geteuid() != 0:
        raise ParameterError(f"--run-as {name}: only a server that runs as root can do that")
    for place in (settings.state, os.path.dirname(os.__file__), os.path.dirname(__file__)):
        if (closed := find_closed_folder(place)) is not None:
            raise ParameterError(
                f"--run-as {name}: jobs would not reach {place}, as {closed} is closed to others: have it elsewhere, as"
                f" below /opt, or chmod o+x {closed}"
            )
    return user


def _find_host(place: TcpAddress) -> str:
    return "localhost" if place.host in ("0.0.0.0", "::", "127.0.0.1", "::1") else place.host  # noqa: S104


def _is_program(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)


def _find_home(connection: Connection, owner: str) -> str:
    home = connection.execute(select(users.c.home).where(users.c.name == owner)).scalar()
    if home is None:
        raise GridError(ENOENT, f"there is no user {owner} any more")
    return str(home)
