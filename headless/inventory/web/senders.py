"""Who sends: address, client certificate, token."""

import base64
import binascii
from dataclasses import dataclass
from ipaddress import ip_address

from starlette.requests import Request

from headless.inventory.collect.access import Access
from headless.inventory.dates import build_date
from headless.inventory.web.limits import Networks

__all__ = ["Sender", "explain_end", "identify", "read_token"]


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends, as far as it is known.

    Attributes:
        address: empty for a local socket.
        subject: of the client's certificate; empty if it showed none.
        token: the name of the token it gave; empty if it gave none that may send.
        has_token: whether it gave any.
        shown: the name of the token it gave, whatever that may do.
        ended_at: since when that token counts no more, seconds since the epoch; 0: it does, or none is known.
    """

    address: str
    subject: str
    token: str
    has_token: bool
    shown: str = ""
    ended_at: int = 0

    @property
    def named_token(self) -> str:
        """Which token it gave, as the log has it: empty for none; one that is not known has no name."""
        return self.shown or ("(not known)" if self.has_token else "")


def identify(request: Request, access: Access, proxies: Networks) -> Sender:
    """Find out who sends."""
    token = read_token(request.headers.get("authorization", ""))
    scope = access.find_token(token) if token else None
    name = scope.name if scope is not None and scope.may_send else ""
    return Sender(
        _find_address(request, proxies),
        request.scope["state"]["subject"],
        name,
        bool(token),
        (scope.name or scope.ended) if scope is not None else "",
        scope.ended_at if scope is not None else 0,
    )


def explain_end(ended_at: int) -> str:
    """Why a token, or a certificate, that is known does not count; empty if it does.

    Args:
        ended_at: seconds since the epoch; 0: it counts.
    """
    return f"access has ended ({build_date(ended_at)}): ask the collector's keeper for a new token" if ended_at else ""


def read_token(header: str) -> str:
    """The token of a header ``Authorization``: ``Bearer``, or ``Basic``'s password, which all clients know.

    Existing clients send the latter if the URL of the feed has it: ``https://token:...@host/feed/``.
    """
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        pair = base64.b64decode(value.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return pair.partition(":")[2]


def _find_address(request: Request, proxies: Networks) -> str:
    """The nearest address that is none of our proxies: what stands before it in the header anybody can write."""
    address = request.client.host if request.client else ""
    hops = [hop.strip() for line in request.headers.getlist("x-forwarded-for") for hop in line.split(",")]
    while hops and address in proxies:
        address = hops.pop()
    try:
        return str(ip_address(address))
    except ValueError:  # none, and not to be taken for the name of something else
        return ""
