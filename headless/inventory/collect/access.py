"""Who may see what: API tokens and client certificates, with their roles by site. Nobody, unless it is said.

A file of the collector's own, which the commands change while it runs; a token itself is never written, only its
SHA-256, for it has 256 random bits.
"""

import contextlib
import fcntl
import json
import logging
import os
import secrets
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import Any

from headless.errors import ParameterError, Unavailable
from headless.inventory.subjects import read_subject

if sys.platform == "win32":
    raise ImportError("the collector runs on POSIX systems only")

__all__ = ["ALL_SITES", "NOTHING", "ROLES", "Access", "Grant", "Scope"]

ALL_SITES = "*"
ROLES = ("reader", "sender", "admin")
"""What each may: see its sites; send, where a feed names the token; see all sites, and send like a sender."""
OLD_ROLES = ("reviewer",)
"""In files of before: they see their sites like readers. What is held is decided on at the collector's machine."""
PREFIX = "hli_"

log = logging.getLogger("headless.inventory")


@dataclass(frozen=True, slots=True)
class Scope:
    """What somebody may do.

    Attributes:
        name: of the grant.
        reads: the sites that may be seen; ``None`` for all.
        may_send: whether the token may be used for sending, to feeds that name it.
        ended: the name of a grant that is over: it has none any more, and may nothing.
        ended_at: since when, seconds since the epoch.
    """

    name: str
    reads: frozenset[str] | None
    may_send: bool
    ended: str = ""
    ended_at: int = 0

    def may_read(self, site: str) -> bool:
        """Whether a site may be seen."""
        return self.reads is None or site in self.reads


NOTHING = Scope("", frozenset(), False)
"""What anybody may who is not known."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What was granted to a token, or to a client certificate.

    Attributes:
        name: told apart by it.
        key: the token's SHA-256, or the certificate's subject as RFC 4514 writes it.
        is_subject: which of the two.
        role: one of ``ROLES``, or of ``OLD_ROLES``.
        sites: of which; ``*`` for all.
        made: when, seconds since the epoch.
        expires: until when it counts, seconds since the epoch; 0: until it is taken back.
    """

    name: str
    key: str
    is_subject: bool
    role: str
    sites: tuple[str, ...]
    made: int
    expires: int = 0

    @property
    def is_over(self) -> bool:
        """Whether it counts no more."""
        return 0 < self.expires <= time.time()

    @property
    def scope(self) -> Scope:
        """What it comes to now."""
        if self.is_over:
            return replace(NOTHING, ended=self.name, ended_at=self.expires)
        sites = None if ALL_SITES in self.sites or self.role == "admin" else frozenset(self.sites)
        return Scope(self.name, frozenset() if self.role == "sender" else sites, self.role in ("sender", "admin"))


class Access:
    """The file; read again when it has changed."""

    def __init__(self, path: str) -> None:
        """Args:
        path: of the file; it need not be there.
        """
        self._path = path
        self._seen: tuple[int, ...] = ()
        self._told = ""
        self._grants: Mapping[str, Grant] = {}

    def find_token(self, token: str) -> Scope:
        """What the holder of a token may.

        Raises:
            Unavailable: the file cannot be read: nobody is let in meanwhile.
        """
        return self._find(_hash_token(token), is_subject=False)

    def find_subject(self, subject: str) -> Scope:
        """What the holder of a client certificate may, whose chain was verified.

        Raises:
            Unavailable: as :meth:`find_token`.
        """
        return self._find(subject, is_subject=True)

    def list_grants(self) -> list[Grant]:
        """All that was granted, by name.

        Raises:
            ParameterError: the file cannot be read.
        """
        self._refresh()
        return sorted(self._grants.values(), key=lambda grant: grant.name)

    def add(self, name: str, role: str, sites: tuple[str, ...], subject: str = "", expires: int = 0) -> str:
        """Grant a role; return the new token, which is told this once, or nothing for a certificate.

        Args:
            name: told apart by it.
            role: one of ``ROLES``.
            sites: of which; ``*`` for all.
            subject: of a client certificate; empty: a token is made.
            expires: until when it counts, seconds since the epoch; 0: until it is taken back.

        Raises:
            ParameterError: the name or the subject is taken, the role is not known, or the file cannot be written.
        """
        if role in OLD_ROLES:
            raise ParameterError(f"--role {role} is no more than reader: what is held is decided on with 'review'")
        if role not in ROLES or not name:
            raise ParameterError(f"a grant has a name, and a role (--role) of {', '.join(ROLES)}")
        if not sites and role not in ("admin", "sender"):
            raise ParameterError(f"of which sites is {name!r} to be a {role}? Give --site SITE, or --site '*' for all")
        subject = subject and read_subject(subject)
        token = "" if subject else PREFIX + secrets.token_urlsafe(32)
        grant = Grant(name, subject or _hash_token(token), bool(subject), role, sites, int(time.time()), expires)
        with self._change() as grants:
            if name in grants or any(other.key == grant.key for other in grants.values()):
                raise ParameterError(f"{name!r} is granted something already: remove it first, or choose another name")
            grants[name] = grant
        return token

    def remove(self, name: str) -> None:
        """Take a grant back; it counts at once.

        Raises:
            ParameterError: there is no such, or the file cannot be written.
        """
        with self._change() as grants:
            if grants.pop(name, None) is None:
                raise ParameterError(f"nothing is granted to {name!r}")

    def _find(self, key: str, *, is_subject: bool) -> Scope:
        try:
            self._refresh()
        except ParameterError as exc:
            if self._told != str(exc):
                self._told = str(exc)
                log.error("access-unreadable reason=%r", self._told)
            raise Unavailable("who may see what cannot be read") from exc
        self._told = ""
        for grant in self._grants.values():
            if grant.is_subject == is_subject and secrets.compare_digest(grant.key.encode(), key.encode()):
                return grant.scope
        return NOTHING

    def _refresh(self) -> None:
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            self._seen, self._grants = (), {}
            return
        except OSError as exc:
            raise ParameterError(f"{self._path} cannot be read: {exc.strerror}") from exc
        seen = (status.st_mtime_ns, status.st_ino, status.st_size)
        if seen != self._seen:
            self._grants, self._seen = self._read(), seen

    def _read(self) -> dict[str, Grant]:
        try:
            with open(self._path, encoding="utf-8") as file:
                entries = json.load(file)
            if not isinstance(entries, list):
                raise ValueError("a list of grants is expected")
            grants = [_parse_grant(entry) for entry in entries]
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError) as exc:
            raise ParameterError(f"{self._path} cannot be read: {exc}: mend it, or move it away") from exc
        return {grant.name: grant for grant in grants}

    @contextmanager
    def _change(self) -> Iterator[dict[str, Grant]]:
        try:
            with open(os.open(self._path + ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "w") as lock:
                self._give_away(lock.fileno())
                fcntl.flock(lock, fcntl.LOCK_EX)
                grants = self._read()
                yield grants
                self._write(grants)
        except OSError as exc:
            raise ParameterError(f"{self._path} cannot be written: {exc.strerror}") from exc

    def _write(self, grants: Mapping[str, Grant]) -> None:
        new = self._path + ".new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            self._give_away(descriptor)
            json.dump(list(map(_write_grant, grants.values())), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, self._path)

    def _give_away(self, descriptor: int) -> None:
        """What root writes belongs to whom the folder belongs: the collector, which is not root, has to read it."""
        if os.geteuid() == 0:
            folder = os.stat(os.path.dirname(os.path.abspath(self._path)))
            os.fchown(descriptor, folder.st_uid, folder.st_gid)


def _parse_grant(entry: Mapping[str, Any]) -> Grant:
    """Read one, which somebody may have written by hand: what is not understood must not let anybody in.

    Raises:
        ValueError, TypeError, KeyError: it is none.
    """
    grant = Grant(**{**entry, "sites": tuple(entry["sites"])})
    texts = (grant.name, grant.key, *grant.sites)
    if not all(isinstance(text, str) for text in texts) or not grant.name or not grant.key:
        raise ValueError("a grant has a name, a key and sites")
    if (
        grant.role not in (*ROLES, *OLD_ROLES)
        or not isinstance(entry["sites"], list)
        or not isinstance(grant.is_subject, bool)
        or type(grant.expires) is not int
        or grant.expires < 0
    ):
        raise ValueError(f"{grant.name!r} has a role of {', '.join(ROLES)}, a list of sites, and perhaps an end")
    return grant


def _write_grant(grant: Grant) -> dict[str, Any]:
    """As it stands in the file: an end only where it has one, for an older headless knows of none."""
    told = asdict(grant)
    return told if grant.expires else {name: value for name, value in told.items() if name != "expires"}


def _hash_token(token: str) -> str:
    return sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
