"""Feeds: by which door reports come, who may come by it, and for which sites."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, cast

from headless.errors import ParameterError
from headless.inventory.subjects import read_subject

__all__ = ["LOCAL", "Feed", "build_default_feed", "parse_feed"]

LOCAL = "file"
"""The address of what the collector's own administrator puts in."""


@dataclass(frozen=True, kw_only=True)
class Feed:
    """A feed. Nobody may send to one that names nobody.

    Attributes:
        name: as the settings have it.
        path: of its URL, beginning and ending with a slash.
        sites: whose reports it takes; ``*`` for all.
        site: what is put where a report names none; empty: nothing.
        networks: from which everybody may send.
        subjects: of client certificates whose holders may send, as RFC 4514 writes them.
        tokens: the names of API tokens whose holders may send.
        sealed: whether a report must be sealed for us.
        signers: files of certificates, PEM, one of which must have signed; none: no signature is asked for.
        answer: what the existing clients look for in the answer.
    """

    name: str
    path: str
    sites: tuple[str, ...] = ()
    site: str = ""
    networks: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()
    sealed: bool = False
    signers: tuple[str, ...] = ()
    answer: str = "OK"

    def may_send(self, address: str, subject: str, token: str) -> bool:
        """Whether somebody with this address, certificate and token may send."""
        if address == LOCAL or (subject and subject in self.subjects) or (token and token in self.tokens):
            return True
        try:
            peer = ip_address(address)
        except ValueError:
            return False
        peer = getattr(peer, "ipv4_mapped", None) or peer
        return any(peer in network for network in _parse_networks(self.networks))

    def takes_site(self, site: str) -> bool:
        """Whether it takes a site's reports."""
        return "*" in self.sites or site in self.sites


def build_default_feed(networks: tuple[str, ...]) -> Feed:
    """The feed of a collector that has none in its settings: ``/feed/``, for reports of all sites.

    Args:
        networks: from which everybody may send.
    """
    return Feed(name="feed", path="/feed/", sites=("*",), networks=networks)


KINDS: dict[str, type] = {
    item.name: {str: str, bool: bool}.get(cast(type, item.type), list) for item in fields(Feed) if item.name != "name"
}
"""Of each setting, what TOML makes of it."""


def parse_feed(name: str, values: Mapping[str, Any]) -> Feed:
    """Read a table ``[feeds.NAME]``.

    Raises:
        ParameterError: an unknown key, or a value that cannot be.
    """
    where = f"feed {name!r}"
    for key, value in values.items():
        if key not in KINDS:
            raise ParameterError(f"{where}: unknown setting {key!r}: known are {', '.join(KINDS)}")
        if type(value) is not KINDS[key] or (
            isinstance(value, list) and not all(isinstance(item, str) for item in value)
        ):
            raise ParameterError(f"{where}: {key!r} is of a wrong type")
    given: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    given.setdefault("path", f"/{name}/")
    try:
        given["subjects"] = tuple(map(read_subject, given.get("subjects", ())))
    except ParameterError as exc:
        raise ParameterError(f"{where}: {exc}") from exc
    feed = Feed(name=name, **given)
    if not (feed.path.startswith("/") and feed.path.endswith("/")):
        raise ParameterError(f"{where}: 'path' begins and ends with a slash")
    for network in feed.networks:
        try:
            ip_network(network)
        except ValueError as exc:
            raise ParameterError(f"{where}: {exc}") from exc
    return feed


@lru_cache
def _parse_networks(networks: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(text) for text in networks)
