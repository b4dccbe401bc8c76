"""What the collector's face goes by: the table ``[serve]`` of its settings file."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from ipaddress import ip_network
from typing import Any

from headless.errors import ParameterError
from headless.inventory.collect.feeds import LOCAL, build_default_feed
from headless.inventory.collect.settings import NAMES, CollectorSettings, read_collector
from headless.inventory.web import limits
from headless.metrics.settings import parse_metrics_listen

__all__ = ["WebSettings", "add_default_feed", "read_serve_settings"]

MIB = 1 << 20
TABLE = "serve"
LOOPBACK = ("127.0.0.0/8", "::1/128")
PATHS = ("tls_cert", "tls_key", "client_ca", "metrics_file")
LISTS = ("references", "advisories", "vex")  # of paths


@dataclass(frozen=True, kw_only=True)
class WebSettings:
    """What the collector's face goes by. Paths in the file are relative to its folder.

    Attributes:
        listen: ``HOST:PORT``, ``[IPv6]:PORT`` or ``unix:/path``.
        tls_cert: the chain of its certificate, PEM; empty: plain HTTP.
        tls_key: its key, PEM; empty if it is in the same file.
        client_ca: the authorities of clients' certificates, PEM; empty: none is asked for.
        proxies: the networks of proxies whose header ``X-Forwarded-For`` is believed; ``unix``: of a local socket.
        references: files of rules by which the pages judge the sites.
        advisories: files, folders or archives of OSV's and of the Debian tracker's.
        vex: files of what in them does not count.
        max_connections: at a time; what comes above it is told to come later.
        max_per_source: of them, of one address.
        max_in_flight: bytes of all bodies that are in memory.
        head_s: within which a request's headers must be there.
        body_s: within which its body must.
        metrics_file: to which metrics are written, as Prometheus reads them; empty: to none.
        metrics_listen: ``HOST:PORT`` where ``/metrics`` is served, plain HTTP; empty: nowhere.
    """

    listen: str = "127.0.0.1:8095"
    tls_cert: str = ""
    tls_key: str = ""
    client_ca: str = ""
    proxies: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    advisories: tuple[str, ...] = ()
    vex: tuple[str, ...] = ()
    max_connections: int = 1000
    max_per_source: int = 100
    max_in_flight: int = 256 * MIB
    head_s: float = 10.0
    body_s: float = 60.0
    metrics_file: str = ""
    metrics_listen: str = ""


def read_serve_settings(path: str, state: str, given: Mapping[str, str]) -> tuple[CollectorSettings, WebSettings]:
    """Read a settings file, the collector's part and its face's.

    Args:
        path: of the file; empty for none.
        state: a state folder that wins over the file's.
        given: settings of :class:`WebSettings` that win over the file's; empty ones do not count.

    Raises:
        ParameterError: it cannot be read, or a setting is not what it must be.
    """
    collector = read_collector(path, state)
    values: dict[str, Any] = {}
    if path:
        with open(path, "rb") as file:
            everything = tomllib.load(file)
        known = {*NAMES, TABLE}
        for name in everything:
            if name not in known:
                raise ParameterError(f"{path}: unknown setting {name!r}: known are {', '.join(sorted(known))}")
        values = everything.get(TABLE, {})
        if not isinstance(values, dict):
            raise ParameterError(f"{path}: {TABLE!r} must be a table")
    options = {name: os.path.abspath(value) if name in PATHS else value for name, value in given.items() if value}
    return collector, _parse_web({**values, **options}, path)


def add_default_feed(settings: CollectorSettings, networks: tuple[str, ...]) -> CollectorSettings:
    """Where the settings have no feed: one at ``/feed/``, for these networks, or else this machine; of all sites.

    Raises:
        ParameterError: networks are given, and feeds too; or one is no network.
    """
    if set(settings.feeds) != {LOCAL}:
        if networks:
            raise ParameterError("--allow is for a collector without feeds in its settings: they say who may send")
        return settings
    _check_networks(networks, "--allow")
    networks = networks or LOOPBACK
    feed = build_default_feed(networks)
    return replace(settings, feeds={**settings.feeds, feed.name: feed}, given_networks=networks)


def _parse_web(values: Mapping[str, Any], origin: str) -> WebSettings:
    defaults = WebSettings()
    given: dict[str, Any] = {}
    for name, value in values.items():
        default = getattr(defaults, name, None)
        if default is None:
            known = ", ".join(item.name for item in fields(WebSettings))
            raise ParameterError(f"{origin}: unknown setting {name!r} of {TABLE!r}: known are {known}")
        kinds = (list,) if isinstance(default, tuple) else (int, float) if isinstance(default, float) else type(default)
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise ParameterError(f"{origin}: setting {name!r} of {TABLE!r} is of a wrong type")
        given[name] = tuple(map(str, value)) if isinstance(value, list) else value
    folder = os.path.dirname(os.path.abspath(origin))
    given.update({name: os.path.join(folder, given[name]) for name in PATHS if given.get(name)})
    given |= {name: tuple(os.path.join(folder, file) for file in given.get(name, ())) for name in LISTS}
    web = WebSettings(**given)
    _check_networks(tuple(name for name in web.proxies if name != limits.LOCAL), f"{origin}: 'proxies'")
    if min(web.max_connections, web.max_per_source, web.max_in_flight, web.head_s, web.body_s) <= 0:
        raise ParameterError(f"{origin}: what limits something in {TABLE!r} is more than 0")
    if web.vex and not web.advisories:
        raise ParameterError(f"{origin}: 'vex' says what of 'advisories' does not count, and there are none")
    if web.metrics_listen:
        parse_metrics_listen(web.metrics_listen)
    if bool(web.tls_key or web.client_ca) and not web.tls_cert:
        raise ParameterError("a key or an authority without a certificate: give --tls-cert")
    return web


def _check_networks(networks: tuple[str, ...], what: str) -> None:
    for network in networks:
        try:
            ip_network(network)
        except ValueError as exc:
            raise ParameterError(f"{what}: {exc}") from exc
