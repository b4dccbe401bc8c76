"""Access envelopes: what lets the bearer read or write one file of one storage, and only until it expires.

An envelope is a macaroon that the storage itself checks (XRootD's ``libXrdMacaroons``): forged, expired, for another
file or for another activity, it is refused where the bytes are. Each storage has a key of its own, derived from the
grid's: an envelope for one storage opens no other.
"""

import base64
import hmac
import os
import secrets
import time
from dataclasses import dataclass
from datetime import datetime

from headless.errors import ParameterError
from headless.execution.files import write_atomically
from headless.grid.errnos import EACCES
from headless.grid.messages import GridError
from headless.grid.serve.macaroon import build_macaroon, is_genuine, parse_macaroon

__all__ = ["READ", "SERVER", "WRITE", "Claim", "Envelopes"]

READ = ("DOWNLOAD", "READ_METADATA")
WRITE = ("UPLOAD", "DOWNLOAD", "READ_METADATA")  # what was written may be read again: for its checksum
SERVER = ("DOWNLOAD", "UPLOAD", "MANAGE", "DELETE", "LIST", "READ_METADATA", "UPDATE_METADATA")
"""Activities, in XRootD's words."""

KEY_SIZE = 32  # bytes


@dataclass(frozen=True)
class Claim:
    """What a genuine envelope says.

    Attributes:
        booking: the identifier it was made with.
        storage: that takes it.
        user: whose it is.
        path: the file at the storage.
        expires_at: seconds since 1970.
        activities: what it allows.
    """

    booking: str
    storage: str
    user: str
    path: str
    expires_at: float
    activities: frozenset[str]


class Envelopes:
    """Makes envelopes, and checks those that come back."""

    def __init__(self, key: bytes) -> None:
        """Args:
        key: the grid's own, 32 bytes, secret.
        """
        self._key = key

    @classmethod
    def open(cls, folder: str) -> "Envelopes":
        """With the key in a folder; it is made if it is not there.

        Raises:
            ParameterError: the file is none of ours: cut short, say, by a copy to a full disk.
            OSError: it cannot be read or written.
        """
        path = os.path.join(folder, "envelope.key")
        try:
            with open(path, "rb") as file:
                key = file.read()
        except FileNotFoundError:
            key = secrets.token_bytes(KEY_SIZE)
            write_atomically(path, key, mode=0o400)
        if len(key) != KEY_SIZE:  # anybody could make envelopes with an empty one
            raise ParameterError(f"{path} has {len(key)} bytes, not {KEY_SIZE}: restore it from a backup")
        return cls(key)

    def derive_key(self, storage: str) -> bytes:
        """The key that a storage checks with, 32 bytes."""
        return hmac.digest(self._key, b"storage:" + storage.encode(), "sha256")

    def derive_key_text(self, storage: str) -> str:
        """The same as XRootD's ``macaroons.secretkey`` wants it."""
        return base64.b64encode(self.derive_key(storage)).decode() + "\n"

    def build(
        self, storage: str, path: str, user: str, activities: tuple[str, ...], lifetime_s: float, booking: str = ""
    ) -> str:
        """Make one.

        Args:
            storage: the name of the only one that will take it.
            path: at that storage.
            user: whose it is, for the storage's log.
            activities: see above.
            lifetime_s: seconds from now.
            booking: what to find again in :class:`Claim`; left out: a new one.
        """
        expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + lifetime_s))
        caveats = [f"name:{user}", f"activity:{','.join(activities)}", f"path:{path}", f"before:{expires}"]
        return build_macaroon(self.derive_key(storage), storage, booking or secrets.token_hex(16), caveats)

    def check(self, text: str, activity: str, storage: str = "") -> Claim:
        """Read one that somebody has handed in.

        Args:
            text: the envelope.
            activity: that it must allow.
            storage: that it must be for; left out: the one that it names.

        Raises:
            GridError: EACCES: it is not genuine, not for this storage or activity, or expired; the message says which.
        """
        try:
            macaroon = parse_macaroon(text)
        except ValueError as exc:
            raise GridError(EACCES, f"this is no access envelope: {exc}") from exc
        # The name is not signed, but the key that it is checked with follows from it.
        storage = storage or macaroon.location
        if not is_genuine(macaroon, self.derive_key(storage)):
            raise GridError(EACCES, f"the access envelope was not made by this grid for {storage}")
        activities = [frozenset(text.split(",")) for text in macaroon.list_values("activity")]
        paths, users = macaroon.list_values("path"), macaroon.list_values("name")
        if len(set(paths)) != 1 or not users or not activities:
            raise GridError(EACCES, "the access envelope is for no one file")
        expires_at = min(map(_parse_time, macaroon.list_values("before")), default=0.0)
        allowed = frozenset.intersection(*activities)
        claim = Claim(macaroon.identifier, storage, users[0], paths[0], expires_at, allowed)
        if activity not in claim.activities:
            raise GridError(EACCES, f"the access envelope is not for {activity}")
        if expires_at <= time.time():
            raise GridError(EACCES, "the access envelope has expired: ask for a new one with 'access'")
        return claim


def _parse_time(text: str) -> float:
    """0 for what is no time of a known zone."""
    try:
        parsed = datetime.fromisoformat(text)  # many times as quick as strptime
    except ValueError:
        return 0.0
    return parsed.timestamp() if parsed.tzinfo else 0.0
