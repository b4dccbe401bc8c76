"""What went wrong with a connection to a collector, in words that say what to do."""

import http.client
import re
import ssl

__all__ = ["explain", "is_untrusted"]

_PLAIN = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST")
"""What OpenSSL, by its version, says of an answer that is no TLS."""
_UNKNOWN_ISSUER = (18, 19, 20, 21)
"""x509_vfy.h: the certificate's own signature, or that of an authority that is not known."""
_SOURCE = re.compile(r"\s*\(_ssl\.c:\d+\)$")


def is_untrusted(exc: Exception) -> bool:
    """Whether the collector was there, with a certificate that is not to be trusted: trying again does not help."""
    return isinstance(exc, ssl.SSLCertVerificationError)


def explain(scheme: str, exc: Exception) -> str:
    """Say what has happened.

    Args:
        scheme: of the URL.
        exc: an OSError or HTTPException.
    """
    if isinstance(exc, ssl.SSLCertVerificationError):
        advice = ": see --ca-file" if exc.verify_code in _UNKNOWN_ISSUER else ""
        return f"the collector's certificate is not trusted ({exc.verify_message.rstrip('.')}){advice}"
    if isinstance(exc, ssl.SSLError) and exc.reason in _PLAIN:
        return "it speaks plain http there, no https"
    reason = _SOURCE.sub("", getattr(exc, "strerror", None) or str(exc)) or type(exc).__name__
    is_cut_off = isinstance(exc, ConnectionResetError | BrokenPipeError | http.client.BadStatusLine)
    return f"{reason}: does it want https://?" if is_cut_off and scheme == "http" else reason
