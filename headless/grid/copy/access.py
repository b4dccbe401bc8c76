"""What the grid's server says of replicas: where to read and write, and what is registered. Nothing is trusted."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from headless.grid.copy.values import Known
from headless.grid.errnos import ENOLINK, EPROTO
from headless.grid.messages import GridError, Row

__all__ = ["Replica", "check_committed", "parse_known", "parse_replicas", "read_size"]

SCHEMES = ("root://", "roots://", "xroot://", "xroots://")


@dataclass(frozen=True)
class Replica:
    """A place to read a file from, or to write it to.

    Attributes:
        url: without envelope, and without a member's name.
        member: of the archive that is there, the file that is meant; empty for the whole.
        envelope: the server's leave for the storage, as it came; a secret.
        guid: of the file.
        storage: its name.
        known: size and md5 as registered.
    """

    url: str
    member: str
    envelope: str
    guid: str
    storage: str
    known: Known

    @property
    def address(self) -> str:
        """The URL to be opened."""
        unzip = f"xrdcl.unzip={self.member}&" if self.member else ""
        return f"{self.whole_address}".replace("?", f"?{unzip}", 1)

    @property
    def whole_address(self) -> str:
        """The same, of the archive where a member is meant."""
        authorization = f"&authz={self.envelope}" if self.envelope else ""
        return f"{self.url}?xrd.wantprot=unix{authorization}"


def parse_replicas(rows: Sequence[Row], lfn: str) -> list[Replica]:
    """Read the answer to ``access``.

    Raises:
        GridError: EPROTO: it names no replica, or one that cannot be one.
    """
    if not rows:
        raise GridError(EPROTO, f"{lfn}: the server names no storage for it")
    return [_parse_replica(row, lfn) for row in rows]


def _parse_replica(row: Row, lfn: str) -> Replica:
    url, _, member = row.get("url", "").partition("#")
    # Anything else, file: above all, would make the storage's client read or write files of this machine.
    if not url.startswith(SCHEMES) or re.search(r"[\x00-\x20\x7f?]", url):
        raise GridError(EPROTO, f"{lfn}: the server names {url[:200]!r} for it, which is no URL of a storage")
    if re.search(r"[\x00-\x1f\x7f&?]", member):
        raise GridError(EPROTO, f"{lfn}: the server names an archive's member that cannot be asked for")
    return Replica(url, member, row.get("envelope", ""), row.get("guid", ""), row.get("se", ""), parse_known(row))


def parse_known(row: Row) -> Known:
    """Size and md5 in a row of stat, find or access; what cannot be one is not known: size -1, no md5."""
    md5 = row.get("md5", "").lower()
    return Known(read_size(row), md5 if re.fullmatch(r"[0-9a-f]{32}", md5) else "")


def read_size(row: Row) -> int:
    """The size in a row; -1 where there is none."""
    text = row.get("size", "")
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else -1


def check_committed(rows: Sequence[Row], lfn: str, storage: str) -> None:
    """See that ``commit`` has registered the file.

    Raises:
        GridError: ENOLINK: it has not, or does not say so.
    """
    if not rows or rows[0].get("lfn") != "1":
        raise GridError(ENOLINK, f"{lfn}: the server has not registered the replica at {storage or 'its storage'}")
