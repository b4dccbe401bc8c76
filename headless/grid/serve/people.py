"""Users of the grid: who a certificate belongs to."""

import json
import posixpath
from collections.abc import Sequence

from sqlalchemy import Connection, Row, delete, select

from headless.grid.serve.call import User
from headless.grid.serve.entries import find_entry, insert_folder
from headless.grid.serve.paths import list_ancestors
from headless.grid.serve.registration import Registration
from headless.grid.serve.schema import subjects, users

__all__ = ["ADMIN", "find_user", "find_user_by_name", "list_members", "list_users", "register"]

ADMIN = "admin"


def register(connection: Connection, registration: Registration, base: str) -> None:
    """Make a user, whose home is ``BASE/t/tester``, or change one, and let its certificate in; or remove one."""
    name = registration.name
    if registration.is_removed:
        connection.execute(delete(subjects).where(subjects.c.user == name))
        connection.execute(delete(users).where(users.c.name == name))
        return
    row = connection.execute(select(users).where(users.c.name == name)).first()
    if row is None:
        home = posixpath.join(base, name[0], name)
        connection.execute(
            users.insert().values(name=name, home=home, roles="[]", email="", full_name="", is_admin=False)
        )
        _make_home(connection, home, name)
    if row is None or registration.roles is not None:
        _set_roles(connection, name, registration.roles or ())
    given = {"email": registration.email, "full_name": registration.full_name}
    for column, value in given.items():
        if value:
            connection.execute(users.update().where(users.c.name == name).values({column: value}))
    connection.execute(delete(subjects).where(subjects.c.subject == registration.subject))
    connection.execute(subjects.insert().values(subject=registration.subject, user=name))


def _set_roles(connection: Connection, name: str, roles: Sequence[str]) -> None:
    unique = list(dict.fromkeys([name, *roles]))
    values = {"roles": json.dumps(unique), "is_admin": ADMIN in unique}
    connection.execute(users.update().where(users.c.name == name).values(values))


def _make_home(connection: Connection, home: str, name: str) -> None:
    """What is above the homes belongs to the administrators."""
    for path in list_ancestors(home):
        if find_entry(connection, path) is None:
            insert_folder(connection, path, ADMIN, ADMIN)
    if find_entry(connection, home) is None:
        insert_folder(connection, home, name, name)


def find_user(connection: Connection, subject: str) -> User | None:
    """The user whose certificate has this subject."""
    query = select(users).join(subjects, subjects.c.user == users.c.name).where(subjects.c.subject == subject)
    return _read(connection.execute(query).first())


def find_user_by_name(connection: Connection, name: str) -> User | None:
    """The user of a name."""
    return _read(connection.execute(select(users).where(users.c.name == name)).first())


def list_members(connection: Connection, role: str) -> list[str]:
    """The names of all users who have a role."""
    rows = connection.execute(select(users.c.name, users.c.roles).order_by(users.c.name))
    return [row.name for row in rows if role in json.loads(row.roles)]


def list_users(connection: Connection) -> list[str]:
    """The names of all users."""
    return list(connection.execute(select(users.c.name).order_by(users.c.name)).scalars())


def _read(row: Row[*tuple[object, ...]] | None) -> User | None:
    if row is None:
        return None
    return User(row.name, tuple(json.loads(row.roles)), row.home, row.is_admin, row.full_name, row.email)
