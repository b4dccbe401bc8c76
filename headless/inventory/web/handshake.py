"""TLS handshakes that fail by the client's certificate: told to the client, and in the log."""

import logging
import ssl
import time
from typing import Any

__all__ = ["tell_untrusted"]

QUIET_S = 60.0  # between two lines of the log
READS = 8  # for which a refused client is listened to: it may send its request before it looks for our word on it

log = logging.getLogger("headless.inventory")


def tell_untrusted(context: ssl.SSLContext) -> None:
    """Have a server's context tell of clients whose certificates it does not trust."""
    told = [-QUIET_S]

    class Handshake(_Handshake):
        def tell(self, reason: str) -> None:
            if time.monotonic() >= told[0] + QUIET_S:
                told[0] = time.monotonic()
                log.warning("certificate-not-trusted reason=%r", f"a client's: {reason}: see 'client_ca'")

    context.sslobject_class = Handshake


class _Handshake(ssl.SSLObject):
    """One side's TLS. OpenSSL says in an alert why a handshake has failed, but the loop sends nothing after a failure.

    So the failure is told as a wait for more, before which the alert is sent; the client closes the connection then, or
    the time for the handshake is over.
    """

    _failure: ssl.SSLCertVerificationError | None = None
    _reads = 0

    def tell(self, reason: str) -> None:
        """Tell of a client's certificate that is not trusted."""
        raise NotImplementedError

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
            self.tell(exc.verify_message.rstrip("."))
            self._failure = exc
            raise ssl.SSLWantReadError from exc
