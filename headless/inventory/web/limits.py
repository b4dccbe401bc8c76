"""How much of everything there is at a time: connections, of all and of one source, and bytes of bodies in memory."""

from collections import Counter
from collections.abc import Iterable
from enum import Enum, auto
from ipaddress import ip_address, ip_network
from typing import Protocol

__all__ = ["LOCAL", "SHUT", "Admission", "Doors", "Networks", "Room", "Share"]

SHUT = 4
"""Times the connections that are let in: above that they are not even told why."""


LOCAL = "unix"


class Admission(Enum):
    """What becomes of a new connection."""

    IN = auto()
    LATER = auto()
    """Its request is read up to the body, and answered with 503."""
    SHUT = auto()
    """It is ended at once."""


class Networks:
    """A list of networks; ``unix`` stands for those who come by a local socket, and have no address."""

    def __init__(self, networks: Iterable[str]) -> None:
        networks = list(networks)
        self._has_local = LOCAL in networks
        self._networks = [ip_network(network) for network in networks if network != LOCAL]

    def __contains__(self, address: str) -> bool:
        if not address:
            return self._has_local
        try:
            peer = ip_address(address)
        except ValueError:
            return False
        peer = getattr(peer, "ipv4_mapped", None) or peer
        return any(peer in network for network in self._networks)


class Visitor(Protocol):
    """A connection."""

    source: str

    def check(self, now: float) -> None:
        """End if its time is over."""


class Doors:
    """Who is connected."""

    def __init__(self, limit: int, limit_per_source: int, trusted: Networks) -> None:
        """Args:
        limit: of all connections.
        limit_per_source: of those from one address.
        trusted: addresses that stand for many, and count for none.
        """
        self._limit = limit
        self._limit_per_source = limit_per_source
        self._trusted = trusted
        self._sources: Counter[str] = Counter()
        self._inside: set[Visitor] = set()

    def enter(self, visitor: Visitor) -> Admission:
        """Count a connection, whatever becomes of it."""
        self._inside.add(visitor)
        self._sources[visitor.source] += 1
        count = self._sources[visitor.source]
        # Those of a local socket have no address.
        is_many = count > self._limit_per_source and bool(visitor.source) and visitor.source not in self._trusted
        if len(self._inside) > SHUT * self._limit or (is_many and count > SHUT * self._limit_per_source):
            return Admission.SHUT
        return Admission.LATER if is_many or len(self._inside) > self._limit else Admission.IN

    def leave(self, visitor: Visitor) -> None:
        """It has gone."""
        self._inside.discard(visitor)
        self._sources[visitor.source] -= 1
        if not self._sources[visitor.source]:
            del self._sources[visitor.source]

    def check(self, now: float) -> None:
        """End those whose time is over."""
        for visitor in list(self._inside):
            visitor.check(now)


class Room:
    """The memory for bodies."""

    def __init__(self, limit: int) -> None:
        """Args:
        limit: bytes.
        """
        self._limit = limit
        self._used = 0

    def take(self, size: int) -> bool:
        """Take some, if it is there."""
        if self._used + size > self._limit:
            return False
        self._used += size
        return True

    def give(self, size: int) -> None:
        """Give it back."""
        self._used -= size


class Share:
    """What one body has of the room; given back at the end of the block."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._size = 0

    def __enter__(self) -> "Share":
        return self

    def __exit__(self, *_: object) -> None:
        self._room.give(self._size)

    def grow(self, size: int) -> bool:
        """Take more, if it is there."""
        if not self._room.take(size):
            return False
        self._size += size
        return True
