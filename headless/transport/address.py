"""Where a server listens: ``HOST:PORT``, ``[IPv6]:PORT`` or ``unix:/path``."""

import os
from dataclasses import dataclass

from headless.errors import ParameterError

__all__ = ["Address", "TcpAddress", "UnixAddress", "parse_address"]

MAX_UNIX_PATH = 107  # bytes; sun_path of Linux without its NUL


@dataclass(frozen=True)
class TcpAddress:
    """A host and a port; always with TLS, except behind a TLS proxy."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class UnixAddress:
    """The path of a local socket."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


Address = TcpAddress | UnixAddress


def parse_address(text: str, *, is_any_port: bool = False) -> Address:
    """Read an address; with ``is_any_port`` 0 is one too, for any that is free.

    Raises:
        ParameterError: it is not of one of the three forms.
    """
    if text.startswith("unix:"):
        return _parse_unix(text.removeprefix("unix:"))
    host, separator, port = text.rpartition(":")
    if not separator or not host or (":" in host and not host.startswith("[")):
        raise ParameterError(f"service {text!r} has no port: give HOST:PORT, [IPv6]:PORT or unix:/path")
    is_number = port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65535
    if not (is_number or (is_any_port and port == "0")):
        raise ParameterError(f"service {text!r} has a bad port: give a number from 1 to 65535")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not host or not host.isprintable() or any(character in host for character in " /[]@"):
        raise ParameterError(f"service {text!r} has a bad host: give HOST:PORT, [IPv6]:PORT or unix:/path")
    return TcpAddress(host, int(port))


def _parse_unix(path: str) -> UnixAddress:
    if not path.startswith("/") or "\0" in path:
        raise ParameterError(f"service {'unix:' + path!r} is not an absolute path: give unix:/path")
    size = len(os.fsencode(path))  # not every path is UTF-8
    if size > MAX_UNIX_PATH:
        raise ParameterError(
            f"the path of a unix socket has at most {MAX_UNIX_PATH} bytes, {path!r} has {size}: choose a shorter one"
        )
    return UnixAddress(path)
