"""The users of a server: how each may log in, and what each may run. Default: nothing.

One JSON file in the state folder, 0600, replaced atomically, edited under a lock. What it holds of a secret logs
nobody in (RFC 5802, section 9, with the channel's TLS around it).
"""

import contextlib
import fnmatch
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from headless.errors import ParameterError, ProtocolError
from headless.execution.files import write_atomically
from headless.protocol.codec import decode_bytes, encode_bytes
from headless.protocol.messages import USER
from headless.protocol.scram import Verifier
from headless.server.limits import USER_LIMITS, parse_limits

if sys.platform == "win32":
    raise ImportError("the server runs on POSIX systems only: give --service HOST:PORT of one")

import fcntl

__all__ = ["LOGIN_TYPES", "Secret", "User", "UserStore"]

FILE = "users.json"
FORMAT = 1
LOGIN_TYPES = ("challenge", "osuser", "x509")

log = logging.getLogger("headless.users")


@dataclass(frozen=True)
class Secret:
    """What is kept of a user's secret: the bcrypt salt with its cost (``$2b$12$...``, 29 characters), the verifier."""

    bcrypt_salt: str
    verifier: Verifier


@dataclass(frozen=True)
class User:
    """One user.

    Attributes:
        name: who logs in.
        enabled: whether anything of it counts at all.
        logins: the login types it may use, of ``LOGIN_TYPES``.
        secret: for *challenge*.
        os_user: for *osuser*: the OS user's name on the unix socket; empty for the same name.
        subjects: for *x509*: subjects (RFC 4514) or alternative names (``DNS:``, ``URI:``, ``email:``).
        run_as: the OS user that its jobs run as, on a server that runs as root; empty for ``os_user``.
        modules: patterns (fnmatch) of the modules it may run.
        scripts: whether it may run scripts that it sends.
        code: whether it may run code that it sends.
        limits: on what its jobs may use, by name (``limits.USER_LIMITS``).
    """

    name: str
    enabled: bool = True
    logins: tuple[str, ...] = ("challenge",)
    secret: Secret | None = None
    os_user: str = ""
    subjects: tuple[str, ...] = ()
    run_as: str = ""
    modules: tuple[str, ...] = ()
    scripts: bool = False
    code: bool = False
    limits: Mapping[str, float] = field(default_factory=dict)

    def may_run_module(self, module: str) -> bool:
        """Whether a pattern of this user matches; dashes and underscores are the same."""
        return any(fnmatch.fnmatchcase(module.replace("_", "-"), pattern.replace("_", "-")) for pattern in self.modules)


class UserStore:
    """The users' file; read again whenever it has changed."""

    def __init__(self, state: str) -> None:
        """Args:
        state: the server's state folder.
        """
        self.state = state
        self._path = os.path.join(state, FILE)
        self._seen: tuple[int, int, int] | None = None
        self._users: dict[str, User] = {}
        self._complaint = ""

    def load(self) -> dict[str, User]:
        """All users by name; none if there is no file.

        Raises:
            ParameterError: the file is damaged or of a newer format.
        """
        try:
            with open(self._path, "rb") as file:
                status = os.fstat(file.fileno())
                seen = (status.st_ino, status.st_size, status.st_mtime_ns)
                if seen != self._seen:
                    self._users = _parse_users(file.read(), self._path)
                    self._seen = seen
        except FileNotFoundError:
            self._users, self._seen = {}, None
        return self._users

    def current(self) -> dict[str, User]:
        """All users by name, for a server that runs: while the file is of no use, those from before still hold."""
        try:
            users = self.load()
        except (ParameterError, OSError) as exc:
            if str(exc) != self._complaint:  # once, not at every login
                log.error("users-unreadable reason=%r: the users from before still hold", str(exc))
            self._complaint = str(exc)
            return self._users
        self._complaint = ""
        return users

    def find(self, predicate: Callable[[User], bool]) -> User | None:
        """The first user that ``predicate`` holds for, as :meth:`current`."""
        return next(filter(predicate, self.current().values()), None)

    def add(self, user: User) -> None:
        """Add a user.

        Raises:
            ParameterError: as :meth:`check_new`.
        """
        with self._editing() as users:
            self.check_new(user)
            users[user.name] = user

    def check_new(self, user: User) -> None:
        """Check that a user could be added.

        Raises:
            ParameterError: the name is taken, or not allowed.
        """
        if not USER.fullmatch(user.name):
            raise ParameterError(f"user name {user.name!r}: letters, digits and _.@+- only, at most 64")
        if user.name in self.load():
            raise ParameterError(f"there is a user {user.name!r} already: see 'headless user list'")

    def change(self, name: str, build: Callable[[User], Mapping[str, Any]]) -> User:
        """Replace the fields of a user that ``build`` returns for it, and return what it is now.

        ``build`` is called under the lock: of two changes at the same time none is lost.

        Raises:
            ParameterError: there is none of that name, or ``build`` says so.
        """
        with self._editing() as users:
            user = self.require(name)
            users[name] = replace(user, **build(user))
            return users[name]

    def require(self, name: str) -> User:
        """The user of this name.

        Raises:
            ParameterError: there is none.
        """
        users = self.load()
        if name not in users:
            raise ParameterError(f"there is no user {name!r}: see 'headless user list'")
        return users[name]

    def remove(self, name: str) -> None:
        """Remove a user.

        Raises:
            ParameterError: there is none of that name.
        """
        with self._editing() as users:
            self.require(name)
            del users[name]

    @contextlib.contextmanager
    def _editing(self) -> Iterator[dict[str, User]]:
        try:
            lock = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise ParameterError(f"{self._path} cannot be changed: {exc.strerror}") from exc
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            users = dict(self.load())
            yield users
            body = {"format": FORMAT, "users": {name: _build_user(user) for name, user in sorted(users.items())}}
            try:
                write_atomically(self._path, json.dumps(body, indent=1).encode() + b"\n")
            except OSError as exc:
                raise ParameterError(f"{self._path} cannot be written: {exc.strerror}") from exc
        finally:
            os.close(lock)


def _build_user(user: User) -> dict[str, Any]:
    body = asdict(user)
    del body["name"]
    if user.secret is not None:
        verifier = user.secret.verifier
        body["secret"] = {
            "bcrypt_salt": user.secret.bcrypt_salt,
            "salt": encode_bytes(verifier.salt),
            "iterations": verifier.iterations,
            "stored_key": encode_bytes(verifier.stored_key),
            "server_key": encode_bytes(verifier.server_key),
        }
    return body


def _parse_users(data: bytes, path: str) -> dict[str, User]:
    try:
        body = json.loads(data)
        if body["format"] != FORMAT:
            raise ParameterError(f"{path} is of format {body['format']}, this version knows {FORMAT}: upgrade headless")
        return {name: _parse_user(name, fields) for name, fields in body["users"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, ProtocolError) as exc:
        raise ParameterError(f"{path} is damaged ({exc!r}): restore it from a backup or remove it") from exc


def _parse_user(name: str, body: dict[str, Any]) -> User:
    secret = body.pop("secret", None)
    body["limits"] = parse_limits(body.get("limits", {}), f"user {name}", USER_LIMITS)
    for key in ("logins", "subjects", "modules"):
        if not isinstance(body[key], list):
            raise TypeError(f"{key} of {name}")
        body[key] = tuple(map(str, body[key]))
    for key in ("enabled", "scripts", "code"):
        if not isinstance(body[key], bool):  # the text "false" would count as true
            raise TypeError(f"{key} of {name}")
    if secret is None:
        return User(name, **body)
    keys = (decode_bytes(secret["stored_key"]), decode_bytes(secret["server_key"]))
    verifier = Verifier(decode_bytes(secret["salt"]), secret["iterations"], *keys)
    return User(name, secret=Secret(secret["bcrypt_salt"], verifier), **body)
