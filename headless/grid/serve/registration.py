"""Users that ``headless grid pki`` makes or removes, handed to the server as files: it alone writes the catalogue.

So a user can be made while the server runs, whatever the database is, and before it has ever run.
"""

import json
import os
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from headless.errors import ParameterError
from headless.execution.files import write_atomically

__all__ = ["Registration", "Registrations", "check_name"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
SUFFIX = ".json"
USERS = "users"
LOCK = "lock"  # of the state folder, once a server has run there


@dataclass(frozen=True, kw_only=True)
class Registration:
    """A user who may come, or may not any more.

    Attributes:
        name: which may be there already.
        subject: of the certificate, RFC 4514.
        roles: beside the user's own; ``None`` leaves them as they are.
        email: empty leaves it as it is.
        full_name: the same.
        is_removed: whether the user goes; the files stay.
    """

    name: str
    subject: str
    roles: tuple[str, ...] | None = None
    email: str = ""
    full_name: str = ""
    is_removed: bool = False


class Registrations:
    """A folder of them, in the grid's state folder."""

    def __init__(self, state: str) -> None:
        """Args:
        state: the grid's state folder.
        """
        self._folder = os.path.join(state, "register")

    def add(self, registration: Registration) -> None:
        """Hand one over; the server reads it when the next session begins.

        Raises:
            OSError: it could not be written.
        """
        os.makedirs(self._folder, 0o700, exist_ok=True)
        # By time: of two for one user the later one counts.
        count = max((int(name.partition("-")[0]) for name in self.list()), default=0) + 1
        path = os.path.join(self._folder, f"{count:09d}-{os.urandom(4).hex()}{SUFFIX}")
        write_atomically(path, json.dumps(asdict(registration)).encode())

    def list(self) -> list[str]:
        """The names of the files, the oldest first."""
        try:
            return sorted(name for name in os.listdir(self._folder) if name.endswith(SUFFIX))
        except FileNotFoundError:
            return []

    def read(self, name: str) -> Registration:
        """One of them.

        Raises:
            OSError, ValueError, TypeError: it cannot be read, or is none.
        """
        with open(os.path.join(self._folder, name), encoding="utf-8") as file:
            values = json.load(file)
        roles = values.pop("roles")
        return Registration(**values, roles=None if roles is None else tuple(roles))

    def remove(self, name: str) -> None:
        """Once it is in the catalogue."""
        os.unlink(os.path.join(self._folder, name))

    def publish(self, names: Iterable[str]) -> None:
        """Write down who is in the catalogue, for those who have no way to it.

        Raises:
            OSError: it could not be written.
        """
        os.makedirs(self._folder, 0o700, exist_ok=True)
        write_atomically(os.path.join(self._folder, USERS), "".join(f"{name}\n" for name in names).encode())

    def find_users(self) -> set[str] | None:
        """Who is a user once all is read that was handed over; ``None``: the server has never told.

        Raises:
            OSError, ValueError, TypeError: a file cannot be read, or is none of ours.
        """
        pending = self.list()  # first: what the server takes in meanwhile it has published before
        changes = [self.read(name) for name in pending if os.path.exists(os.path.join(self._folder, name))]
        try:
            with open(os.path.join(self._folder, USERS), encoding="ascii") as file:
                known = set(file.read().split())
        except FileNotFoundError:
            if os.path.exists(os.path.join(os.path.dirname(self._folder), LOCK)):
                return None  # of a server of an older version
            known = set()
        for change in changes:
            (known.discard if change.is_removed else known.add)(change.name)
        return known


def check_name(name: str, what: str) -> None:
    """Names of users and roles are parts of paths and of certificates.

    Raises:
        ParameterError: it is of no use.
    """
    if not NAME.fullmatch(name):
        raise ParameterError(f"{what} {name!r}: letters, digits, '.', '_' and '-', 32 at most, no sign in front")
