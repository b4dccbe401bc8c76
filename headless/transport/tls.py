"""TLS contexts of both sides. Imported only where there is a TCP session: ``ssl`` costs a launch 15 ms."""

import ssl
from dataclasses import dataclass

from headless.errors import ParameterError

__all__ = ["ClientTls", "build_client_context", "build_server_context"]


@dataclass(frozen=True)
class ClientTls:
    """How the launcher looks at the server's certificate, and which one of its own it shows.

    Without ``check_chain`` any certificate is taken: then the login must be bound to it (``docs/security.md``).
    ``ca_file`` of ``None`` means the system's authorities.
    """

    check_chain: bool = False
    ca_file: str | None = None
    certificate: str | None = None
    key: str | None = None


def build_client_context(tls: ClientTls) -> ssl.SSLContext:
    """Make the launcher's context.

    Raises:
        ParameterError: a file is missing, unreadable, or holds no certificate or no matching key.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if tls.check_chain:
        _load_authorities(context, tls.ca_file)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.certificate is not None:
        _load_pair(context, tls.certificate, tls.key)
    return context


def build_server_context(certificate: str, key: str, client_ca: str | None) -> ssl.SSLContext:
    """Make the server's context; with ``client_ca`` clients may show certificates of these authorities.

    Raises:
        ParameterError: a file is missing, unreadable, or holds no certificate or no matching key.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # A launch uses its connection once: tickets would cost each two messages and the server a little memory.
    context.num_tickets = 0
    _load_pair(context, certificate, key)
    if client_ca is not None:
        context.verify_mode = ssl.CERT_OPTIONAL
        _load_authorities(context, client_ca)
    return context


def _load_authorities(context: ssl.SSLContext, ca_file: str | None) -> None:
    if ca_file is None:
        context.load_default_certs()
        return
    try:
        context.load_verify_locations(ca_file)
    except (OSError, ssl.SSLError) as exc:
        raise ParameterError(f"the certificate authorities of {ca_file} cannot be read: {_reason(exc)}") from exc


def _load_pair(context: ssl.SSLContext, certificate: str, key: str | None) -> None:
    try:
        # A passphrase can be asked of nobody: an encrypted key is an error instead of a prompt.
        context.load_cert_chain(certificate, key, password=_refuse_passphrase)
    except (OSError, ssl.SSLError) as exc:
        raise ParameterError(
            f"certificate {certificate} with key {key or certificate}: {_reason(exc)}: give a PEM certificate"
            " and its unencrypted key"
        ) from exc


def _refuse_passphrase() -> bytes:
    raise ParameterError("the key has a passphrase: give one without, nobody is there to type it")


def _reason(error: OSError) -> str:
    return getattr(error, "reason", None) or error.strerror or str(error)
