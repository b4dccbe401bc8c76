"""What went wrong with a connection to a collector, in words that say what to do."""

import http.client
import re
import socket
import ssl

__all__ = ["explain", "find_refusal", "is_refused", "is_untrusted"]

_PLAIN = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST")
"""What OpenSSL, by its version, says of an answer that is no TLS."""
_UNKNOWN_ISSUER = (18, 19, 20, 21)
"""x509_vfy.h: the certificate's own signature, or that of an authority that is not known."""
_REFUSALS = re.compile(
    "(SSLV3|TLSV1|TLSV13)_ALERT_"
    "(UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_(EXPIRED|REVOKED|UNKNOWN|REQUIRED)|UNSUPPORTED_CERTIFICATE|ACCESS_DENIED|DECRYPT_ERROR)"
)
"""Alerts about the certificate that was shown, RFC 8446, section 6.2, as OpenSSL names them."""
_SOURCE = re.compile(r"\s*\(_ssl\.c:\d+\)$")


def is_untrusted(exc: Exception) -> bool:
    """Whether the collector was there, with a certificate that is not to be trusted: trying again does not help."""
    return isinstance(exc, ssl.SSLCertVerificationError)


def is_refused(exc: Exception) -> bool:
    """Whether the collector was there, and does not take the certificate that it was shown, or wants one."""
    return isinstance(exc, ssl.SSLError) and _REFUSALS.fullmatch(exc.reason or "") is not None


def find_refusal(channel: socket.socket | None, exc: Exception) -> Exception:
    """What the collector said of our certificate before it closed the connection on what we sent; else the failure."""
    if channel is not None and isinstance(exc, ssl.SSLEOFError | ConnectionError):
        try:
            channel.recv(1)
        except OSError as said:
            return said if is_refused(said) else exc
    return exc


def explain(scheme: str, exc: Exception) -> str:
    """Say what has happened.

    Args:
        scheme: of the URL.
        exc: an OSError or HTTPException.
    """
    if isinstance(exc, ssl.SSLCertVerificationError):
        advice = ": see --ca-file" if exc.verify_code in _UNKNOWN_ISSUER else ""
        return f"the collector's certificate is not trusted ({exc.verify_message.rstrip('.')}){advice}"
    if isinstance(exc, ssl.SSLError) and is_refused(exc):
        words = (exc.reason or "").partition("_ALERT_")[2].replace("_", " ").lower()
        return f"the collector does not take the certificate that it was shown ({words}): see --certificate"
    if isinstance(exc, ssl.SSLError) and exc.reason in _PLAIN:
        return "it speaks plain http there, no https"
    reason = _SOURCE.sub("", getattr(exc, "strerror", None) or str(exc)) or type(exc).__name__
    is_cut_off = isinstance(exc, ConnectionResetError | BrokenPipeError | http.client.BadStatusLine)
    return f"{reason}: does it want https://?" if is_cut_off and scheme == "http" else reason
