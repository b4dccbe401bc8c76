"""Certificates as files: keys that nobody else can read, and a folder of authorities as OpenSSL looks them up."""

import hashlib
import os

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from headless.errors import ParameterError
from headless.execution.files import write_atomically
from headless.grid.serve.pki import Authority, end_of

__all__ = [
    "HOST",
    "LOCAL_NAMES",
    "check_own",
    "choose_host_name",
    "ensure_host",
    "hash_name",
    "write_authorities",
    "write_pair",
]

HOST = "host"
AUTHORITY = "ca.pem"
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
RENEW_AHEAD_S = 30 * 24 * 3600


def write_pair(certificate_file: str, key_file: str, pair: tuple[bytes, bytes]) -> None:
    """Write a certificate and its key; files that are there are replaced. The key is 0400 from its first byte on.

    Raises:
        OSError: they could not be written.
    """
    for path in (certificate_file, key_file):
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
    write_atomically(key_file, pair[1], mode=0o400)
    write_atomically(certificate_file, pair[0], mode=0o644)


def check_own(folder: str, names: tuple[str, str], authority: Authority) -> None:
    """See that a folder holds nothing of another authority: a key that is overwritten is lost.

    Args:
        folder: where :func:`write_pair` and :func:`write_authorities` are to write.
        names: of the certificate and of the key.
        authority: whose they will be.

    Raises:
        ParameterError: it does.
        OSError: it cannot be read.
    """
    certificate, key = (os.path.join(folder, name) for name in names)
    known = os.path.join(folder, "certificates", AUTHORITY)
    foreign = ""
    if os.path.lexists(known) and _read_certificate(known) != authority.certificate:
        foreign = known
    elif os.path.lexists(certificate):
        found = _read_certificate(certificate)
        foreign = "" if found is not None and found.issuer == authority.certificate.subject else certificate
    elif os.path.lexists(key):
        foreign = key
    if foreign:
        raise ParameterError(f"{foreign} is not of this grid, and is left as it is: choose another folder with --out")


def _read_certificate(path: str) -> x509.Certificate | None:
    try:
        with open(path, "rb") as file:
            return x509.load_pem_x509_certificate(file.read())
    except (ValueError, FileNotFoundError):
        return None


def write_authorities(folder: str, authority: Authority) -> None:
    """Write the authority's certificate under a name for people, ``*.pem``, and one for OpenSSL, ``HASH.0``.

    Raises:
        OSError: they could not be written.
    """
    os.makedirs(folder, 0o700, exist_ok=True)
    data = authority.certificate.public_bytes(serialization.Encoding.PEM)
    write_atomically(os.path.join(folder, AUTHORITY), data, mode=0o644)
    link = os.path.join(folder, hash_name(authority.certificate.subject) + ".0")
    temporary = f"{link}.{os.getpid()}"
    os.symlink(AUTHORITY, temporary)
    os.replace(temporary, link)


def hash_name(name: x509.Name) -> str:
    """What OpenSSL calls a certificate of this subject in a folder (X509_NAME_hash(3), ``openssl x509 -hash``).

    It is the begin of the SHA-1 of the name in DER, in small letters, with single blanks, without the outer sequence.
    """
    plain = x509.Name(
        [
            x509.RelativeDistinguishedName(
                [x509.NameAttribute(part.oid, " ".join(str(part.value).split()).lower()) for part in names]
            )
            for names in name.rdns
        ]
    )
    der = plain.public_bytes()
    content = der[2 + (der[1] & 0x7F if der[1] & 0x80 else 0) :]
    return f"{int.from_bytes(hashlib.sha1(content, usedforsecurity=False).digest()[:4], 'little'):08x}"


def ensure_host(authority: Authority) -> tuple[str, str]:
    """The paths of the server's own certificate and key. They are made if they are missing, and anew before their end.

    Raises:
        ParameterError: what is there is no certificate.
        OSError: they could not be read or written.
    """
    certificate, key = (os.path.join(authority.folder, f"{HOST}.{kind}") for kind in ("pem", "key"))
    names = list(LOCAL_NAMES)
    if os.path.exists(certificate) and os.path.exists(key):
        parsed = _read_certificate(certificate)
        if parsed is None:
            raise ParameterError(f"{certificate} is no certificate: make one with 'headless grid pki host'")
        if end_of(parsed) > RENEW_AHEAD_S:
            return certificate, key
        names = _read_names(parsed) or names
    write_pair(certificate, key, authority.issue_host(names))
    return certificate, key


def choose_host_name(authority: Authority, address: str) -> str:
    """What clients call the host: a name that its certificate has, else the address it listens on."""
    with open(os.path.join(authority.folder, f"{HOST}.pem"), "rb") as file:
        names = _read_names(x509.load_pem_x509_certificate(file.read()))
    others = [name for name in names if name not in LOCAL_NAMES]
    return next(iter(others or names), address)


def _read_names(certificate: x509.Certificate) -> list[str]:
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name.value) for name in found]
