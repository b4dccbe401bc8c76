"""Files that are members of a ZIP archive, which is itself a file of the catalogue: only the archive has replicas.

Whoever may read a member is given leave to read the archive, as on JAliEn: a storage knows nothing of members.
"""

import re
import uuid
from dataclasses import dataclass

from sqlalchemy import Connection, select

from headless.grid.errnos import EINVAL, EISDIR
from headless.grid.messages import GridError
from headless.grid.names import is_member_name
from headless.grid.serve.arguments import parse_arguments
from headless.grid.serve.bookings import list_replicas
from headless.grid.serve.call import Call, Command, Rows
from headless.grid.serve.entries import insert_file
from headless.grid.serve.lookup import look_up, make_parents
from headless.grid.serve.paths import resolve
from headless.grid.serve.permissions import check_access
from headless.grid.serve.schema import members
from headless.grid.serve.usage import check_quota

__all__ = ["COMMANDS", "Member", "find_member"]

USAGE = """registerMember ARCHIVE NAME SIZE MD5 LFN: enter a file that lies in a ZIP archive of the catalogue
  NAME  in the archive"""


@dataclass(frozen=True)
class Member:
    """Where a member is.

    Attributes:
        archive: GUID of the archive.
        name: in it.
    """

    archive: str
    name: str

    @property
    def pfn(self) -> str:
        """As JAliEn writes it."""
        return f"guid:///{self.archive}?ZIP={self.name}"


def find_member(connection: Connection, guid: str) -> Member | None:
    """Where the file of a GUID is, if it is a member of an archive."""
    row = connection.execute(select(members.c.archive, members.c.name).where(members.c.guid == guid)).first()
    return None if row is None else Member(row.archive, row.name)


async def _register_member(call: Call) -> Rows:
    archive, name, size, md5, lfn = parse_arguments(call.options).require_words(5, 5)
    if not re.fullmatch(r"[1-9][0-9]{0,17}", size) or not re.fullmatch(r"[0-9a-fA-F]{32}", md5):
        raise GridError(EINVAL, "give a size of at least 1 and an MD5 sum of 32 hex digits")
    if not is_member_name(name):
        raise GridError(EINVAL, f"{name!r}: no name of a member that storages can be asked for")
    path, number = resolve(call.session, lfn), int(size)

    def enter(connection: Connection) -> None:
        session = call.session
        whole = look_up(connection, session, resolve(session, archive))
        if whole.is_folder:
            raise GridError(EISDIR, whole.path)
        check_access(session, whole, "rw")
        if not list_replicas(connection, whole.guid):
            raise GridError(EINVAL, f"{whole.path} has no replica, and so no members")
        check_quota(connection, call.grid.settings, session.user.name, number)
        make_parents(connection, session, path)
        guid = str(uuid.uuid4())
        insert_file(connection, path, session.user.name, session.role, number, md5.lower(), guid, job_id=session.job_id)
        connection.execute(members.insert().values(guid=guid, archive=whole.guid, name=name))

    await call.grid.catalogue.write(enter)
    return [{"path": path, "message": f"{path} is {name} in {archive}"}]


COMMANDS = {"registerMember": Command(_register_member, USAGE)}
