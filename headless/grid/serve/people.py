"""Users of the grid: who a certificate belongs to."""

import json
import posixpath

from sqlalchemy import Connection, select

from headless.grid.serve.call import User
from headless.grid.serve.entries import find_entry, insert_folder
from headless.grid.serve.paths import list_ancestors
from headless.grid.serve.schema import subjects, users

__all__ = ["add_user", "find_user"]


def add_user(connection: Connection, name: str, roles: list[str], base: str, subject: str) -> None:
    """Add a user, or another certificate of one."""
    if connection.execute(select(users.c.name).where(users.c.name == name)).first() is None:
        home = posixpath.join(base, name[0], name)
        connection.execute(
            users.insert().values(
                name=name,
                roles=json.dumps([name, *roles]),
                home=home,
                email="",
                full_name="",
                is_admin="admin" in roles,
            )
        )
        _make_home(connection, home, name)
    if connection.execute(select(subjects.c.user).where(subjects.c.subject == subject)).first() is None:
        connection.execute(subjects.insert().values(subject=subject, user=name))


def _make_home(connection: Connection, home: str, name: str) -> None:
    """What is above the homes belongs to the administrators."""
    for path in list_ancestors(home):
        if find_entry(connection, path) is None:
            insert_folder(connection, path, "admin", "admin")
    if find_entry(connection, home) is None:
        insert_folder(connection, home, name, name)


def find_user(connection: Connection, subject: str) -> User | None:
    """The user whose certificate has this subject."""
    row = connection.execute(
        select(users).join(subjects, subjects.c.user == users.c.name).where(subjects.c.subject == subject)
    ).first()
    return None if row is None else User(row.name, tuple(json.loads(row.roles)), row.home, row.is_admin)
