"""Commands about users and roles: whoami, user, groups, groupmembers, whois."""

import time

from sqlalchemy import Connection

from headless.grid.errnos import EINVAL, EPERM
from headless.grid.messages import GridError
from headless.grid.serve.arguments import parse_arguments
from headless.grid.serve.call import Call, Command, Rows, User
from headless.grid.serve.people import find_user_by_name, list_members

__all__ = ["COMMANDS"]


async def _whoami(call: Call) -> Rows:
    session, user = call.session, call.session.user
    is_verbose = "v" in parse_arguments(call.options, "v").flags
    row = {
        "username": user.name,
        "role": session.role,
        "roles": ",".join(user.roles),
        "fullname": user.full_name,
        "email": user.email,
        "certificate_expires": str(int(session.expires_at)),
        "certificate_dn": session.subject,
        "connected_from": session.source,
        "homedir": user.home + "/",
    }
    shown = time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(session.expires_at))
    long = [
        f"Username: {user.name}",
        f"Full name: {user.full_name}",
        f"Role: {session.role}",
        f"Roles: {', '.join(user.roles)}",
        f"Email: {user.email}",
        f"Home: {user.home}/",
        f"Certificate: {session.subject}, until {shown}",
        f"Connected from: {session.source}",
    ]
    return [row | {"message": "\n".join(long) if is_verbose else user.name}]


async def _user(call: Call) -> Rows:
    """Another role; for administrators another user. Without a name, or with ``-``, back to who has logged in."""
    words = parse_arguments(call.options).require_words(0, 1)
    session, login = call.session, call.session.login or call.session.user
    name = words[0] if words and words[0] != "-" else login.name
    if name not in login.roles and not login.is_admin:
        raise GridError(EPERM, f"{login.name} may not become {name}: groups says which roles you have")
    user = login if name in login.roles else await _get(call, name)
    if user.name != session.user.name:
        session.directory = user.home
    session.user, session.role = user, name
    session.login = None if user is login else login
    session.marks.clear()
    return [{"homedir": user.home + "/", "message": user.home + "/"}]


async def _get(call: Call, name: str) -> User:
    user = await call.grid.catalogue.read(lambda connection: find_user_by_name(connection, name))
    if user is None:
        raise GridError(EINVAL, f"no such user: {name}")
    return user


async def _groups(call: Call) -> Rows:
    words = parse_arguments(call.options).require_words(0, 1)
    user = await _get(call, words[0]) if words else call.session.user
    return [
        {
            "username": user.name,
            "role": user.name,
            "groups": " ".join(user.roles),
            "message": f"User: {user.name}, main group: {user.name}\nMember of groups: {' '.join(user.roles)}",
        }
    ]


async def _groupmembers(call: Call) -> Rows:
    (role,) = parse_arguments(call.options).require_words(1, 1)

    def read(connection: Connection) -> list[str]:
        return list_members(connection, role)

    members = await call.grid.catalogue.read(read)
    if not members:
        raise GridError(EINVAL, f"no such role: {role}")
    return [{"groupmembers": name, "message": name} for name in members]


async def _whois(call: Call) -> Rows:
    rows = []
    for name in parse_arguments(call.options).require_words():
        try:
            user = await _get(call, name)
        except GridError as exc:
            call.fail(exc)
        else:
            shown = f"Username: {user.name}\nFull name: {user.full_name}\nEmail: {user.email}"
            rows.append({"username": user.name, "fullname": user.full_name, "email": user.email, "message": shown})
    return rows


COMMANDS = {
    "whoami": Command(_whoami, "whoami [-v]: who is logged in\n  -v  with roles, home and certificate"),
    "user": Command(
        _user,
        "user [ROLE]: work in another role of yours, which is then the group of what you make; without one, or with"
        " '-', back\nAdministrators may become any user.",
    ),
    "groups": Command(_groups, "groups [USER]: the roles of a user"),
    "groupmembers": Command(_groupmembers, "groupmembers ROLE: who has a role"),
    "whois": Command(_whois, "whois USER...: who users are"),
}
