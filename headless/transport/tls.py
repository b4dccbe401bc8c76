"""TLS contexts of both sides. Imported only where there is a TCP session: ``ssl`` costs a launch 15 ms."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass

from headless.errors import ParameterError

__all__ = ["ClientTls", "build_client_context", "build_server_context"]


@dataclass(frozen=True)
class ClientTls:
    """How the launcher looks at the server's certificate, and which one of its own it shows.

    Without ``check_chain`` any certificate is taken: then the login must be bound to it (``docs/security.md``).
    ``ca_file`` and ``ca_folder`` (with OpenSSL's hash links) of ``None`` mean the system's authorities. Without
    ``check_host`` the name in a certificate of these authorities is not compared. ``ask_passphrase`` is called if the
    key has one; without it such a key is refused.
    """

    check_chain: bool = False
    check_host: bool = True
    ca_file: str | None = None
    ca_folder: str | None = None
    certificate: str | None = None
    key: str | None = None
    ask_passphrase: Callable[[], bytes] | None = None


def build_client_context(tls: ClientTls) -> ssl.SSLContext:
    """Make the launcher's context.

    Raises:
        ParameterError: a file is missing, unreadable, or holds no certificate or no matching key.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if tls.check_chain:
        context.check_hostname = tls.check_host
        _load_authorities(context, tls.ca_file, tls.ca_folder)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.certificate is not None:
        _load_pair(context, tls.certificate, tls.key, tls.ask_passphrase or _refuse_passphrase)
    return context


def build_server_context(
    certificate: str, key: str, client_ca: str | None, *, need_client: bool = False
) -> ssl.SSLContext:
    """Make the server's context; with ``client_ca`` clients may, or must, show certificates of these authorities.

    Raises:
        ParameterError: a file is missing, unreadable, or holds no certificate or no matching key.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # A launch uses its connection once: tickets would cost each two messages and the server a little memory.
    context.num_tickets = 0
    _load_pair(context, certificate, key, _refuse_passphrase)
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED if need_client else ssl.CERT_OPTIONAL
        _load_authorities(context, client_ca, None)
    return context


def _load_authorities(context: ssl.SSLContext, ca_file: str | None, ca_folder: str | None) -> None:
    if ca_file is None and ca_folder is None:
        context.load_default_certs()
        return
    try:
        context.load_verify_locations(ca_file, ca_folder)
    except (OSError, ssl.SSLError) as exc:
        raise ParameterError(
            f"the certificate authorities of {ca_file or ca_folder} cannot be read: {_reason(exc)}"
        ) from exc


def _load_pair(context: ssl.SSLContext, certificate: str, key: str | None, ask: Callable[[], bytes]) -> None:
    try:
        # Without a function for it OpenSSL would ask on the terminal, or of standard input.
        context.load_cert_chain(certificate, key, password=ask)
    except (OSError, ssl.SSLError) as exc:
        raise ParameterError(
            f"certificate {certificate} with key {key or certificate}: {_reason(exc)}: give a PEM certificate"
            " and its unencrypted key"
        ) from exc


def _refuse_passphrase() -> bytes:
    raise ParameterError("the key has a passphrase: give one without, nobody is there to type it")


def _reason(error: OSError) -> str:
    return getattr(error, "reason", None) or error.strerror or str(error)
