"""TLS handshakes that fail by the client's certificate: the client is told."""

import ssl
from collections.abc import Callable
from typing import Any, ClassVar

__all__ = ["tell_untrusted"]

READS = 8  # for which a refused client is listened to: it may send its request before it looks for our word on it


def tell_untrusted(context: ssl.SSLContext, tell: Callable[[str], None]) -> None:
    """Have a server's context tell of clients whose certificates it does not trust.

    Args:
        context: of the server.
        tell: is given OpenSSL's reason, once for each such client.
    """
    context.sslobject_class = type("Handshake", (_Handshake,), {"_tell": staticmethod(tell)})


class _Handshake(ssl.SSLObject):
    """One side's TLS. OpenSSL says in an alert why a handshake has failed, but the loop sends nothing after a failure.

    So the failure is told as a wait for more, before which the alert is sent; the client closes the connection then, or
    the time for the handshake is over.
    """

    _tell: ClassVar[Callable[[str], None]]
    _failure: ssl.SSLCertVerificationError | None = None
    _reads = 0

    def do_handshake(self, *arguments: Any) -> None:
        """Go on with the handshake."""
        if self._failure is not None:
            self._reads += 1
            if self._reads > READS:
                raise self._failure
            raise ssl.SSLWantReadError
        try:
            super().do_handshake(*arguments)
        except ssl.SSLCertVerificationError as exc:
            type(self)._tell(exc.verify_message.rstrip("."))
            self._failure = exc
            raise ssl.SSLWantReadError from exc
