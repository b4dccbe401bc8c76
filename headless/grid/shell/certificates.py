"""Commands about the user's certificate and the token."""

from typing import TYPE_CHECKING

from headless.grid.credentials import PEM, TOKEN, USER, load_credentials
from headless.grid.errnos import EINVAL, EKEYREJECTED, ENOENT
from headless.grid.messages import GridError, Reply
from headless.grid.shell.shell import Shell
from headless.grid.tokens import destroy_token, init_token

if TYPE_CHECKING:
    from cryptography import x509

__all__ = ["describe", "make_token", "match", "print_token", "remove_token", "verify"]


def print_token(shell: Shell, name: str, args: list[str]) -> Reply:
    """``token``: have one made and printed, not kept."""
    return shell.send("token", *args)


def make_token(shell: Shell, name: str, args: list[str]) -> Reply:
    """``token-init``: a token is made with the user's certificate, kept, and told of."""
    init_token(shell.settings, args)
    if shell.has_session:
        shell.renew_session()
    return describe(shell, "token-info", [])


def remove_token(shell: Shell, name: str, args: list[str]) -> Reply:
    """``token-destroy``."""
    destroy_token(shell.settings)
    return shell.answer("Token was destroyed! Re-connect for token re-creation.")


def describe(shell: Shell, name: str, args: list[str]) -> Reply:
    """``token-info`` and ``cert-info``: subject, issuer and time."""
    certificate = _load(shell, name)
    row = {
        "dn": _write_name(certificate.subject),
        "issuer": _write_name(certificate.issuer),
        "begin": f"{certificate.not_valid_before_utc:%Y-%m-%d %H:%M:%S}",
        "expire": f"{certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S}",
    }
    lines = [f"{key.upper()} >>> {value}" for key, value in row.items()]
    return shell.answer({**row, "message": "\n".join(lines)})


def verify(shell: Shell, name: str, args: list[str]) -> Reply:
    """``token-verify`` and ``cert-verify``: whether the known authorities vouch for it, now."""
    from headless.grid.shell.authorities import find_fault

    path = _path_of(shell, name)
    if fault := find_fault(_load(shell, name), shell.settings.ca_file, shell.settings.ca_folder):
        raise GridError(EKEYREJECTED, f"SSL Verification failed for {path}: {fault}")
    return shell.answer(f"SSL Verification successful for {path}")


def match(shell: Shell, name: str, args: list[str]) -> Reply:
    """``tokenkey-match`` and ``certkey-match``."""
    import ssl

    pair = load_credentials(shell.settings, TOKEN if name.startswith("token") else USER)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(pair.certificate, pair.key, pair.ask)
    except ssl.SSLError as exc:
        raise GridError(EINVAL, f"Cert/key DO NOT match: {exc.reason or exc}") from exc
    return shell.answer("Cert/key match!")


def _path_of(shell: Shell, name: str) -> str:
    settings = shell.settings
    path = settings.token_certificate if name.startswith("token") else settings.user_certificate
    return "the text in the environment" if path.startswith(PEM) else path


def _load(shell: Shell, name: str) -> "x509.Certificate":
    from cryptography import x509

    settings = shell.settings
    value = settings.token_certificate if name.startswith("token") else settings.user_certificate
    path = _path_of(shell, name)
    try:
        if value.startswith(PEM):
            data = value.encode("latin-1", "replace")
        else:
            with open(value, "rb") as file:
                data = file.read(1 << 20)
        return x509.load_pem_x509_certificate(data)
    except OSError as exc:
        raise GridError(exc.errno or ENOENT, f"{path} cannot be read: {exc.strerror}") from exc
    except ValueError as exc:
        raise GridError(EINVAL, f"{path} holds no certificate in PEM") from exc


def _write_name(name: "x509.Name") -> str:
    """As grids write it: the most general part first."""
    return "/".join(reversed(name.rfc4514_string().split(",")))
