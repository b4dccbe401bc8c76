"""The grid's certificate authority: certificates of its host, its users, and tokens."""

import datetime
import ipaddress
import os
import socket
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from headless.errors import ParameterError
from headless.execution.files import write_atomically

__all__ = ["DAY", "HOST_DAYS", "USER_DAYS", "Authority", "end_of", "find_issued", "name_user"]

DAY = datetime.timedelta(days=1)
AUTHORITY_DAYS, HOST_DAYS, USER_DAYS = 3650, 365, 365
BACKDATED = datetime.timedelta(hours=2)  # clocks differ


class Authority:
    """A certificate authority in a folder: ``ca.pem`` and ``ca.key``."""

    def __init__(self, certificate: x509.Certificate, key: rsa.RSAPrivateKey, folder: str) -> None:
        """Use :meth:`make` or :meth:`open`."""
        self.certificate = certificate
        self._key = key
        self.folder = folder

    @classmethod
    def make(cls, folder: str) -> "Authority":
        """Make a new one; the folder is made.

        Raises:
            ParameterError: there is one.
        """
        if os.path.lexists(os.path.join(folder, "ca.pem")):
            raise ParameterError(f"{folder} holds a certificate authority: it is left as it is")
        os.makedirs(folder, 0o700, exist_ok=True)
        key = rsa.generate_private_key(65537, 3072)
        # Two authorities of one name are one to OpenSSL, whose complaint is of signatures then.
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "headless grid"),
                x509.NameAttribute(NameOID.COMMON_NAME, f"CA {os.urandom(4).hex()} of {socket.gethostname()}"[:64]),
            ]
        )
        builder = _begin(name, name, key.public_key(), AUTHORITY_DAYS * DAY)
        certificate = builder.add_extension(x509.BasicConstraints(True, None), True).sign(key, hashes.SHA256())
        write_atomically(os.path.join(folder, "ca.key"), _write_key(key), mode=0o400)
        write_atomically(os.path.join(folder, "ca.pem"), _write(certificate), mode=0o644)
        return cls(certificate, key, folder)

    @classmethod
    def open(cls, folder: str) -> "Authority":
        """Read one.

        Raises:
            ParameterError: there is none, or it cannot be read.
        """
        try:
            with open(os.path.join(folder, "ca.pem"), "rb") as file:
                certificate = x509.load_pem_x509_certificate(file.read())
            with open(os.path.join(folder, "ca.key"), "rb") as file:
                key = serialization.load_pem_private_key(file.read(), None)
        except (OSError, ValueError, TypeError) as exc:
            raise ParameterError(
                f"no certificate authority in {folder} ({exc}): make one with 'headless grid pki init'"
            ) from exc
        if not isinstance(key, rsa.RSAPrivateKey):
            raise ParameterError(f"the key in {folder} is not RSA: make an authority with 'headless grid pki init'")
        return cls(certificate, key, folder)

    def issue_host(self, names: Sequence[str], days: int = HOST_DAYS) -> tuple[bytes, bytes]:
        """A server's certificate and key in PEM, for these names and addresses."""
        alternative = x509.SubjectAlternativeName([_name_host(name) for name in names])
        return self.issue(_name(("headless grid", "Hosts", names[0][:64])), days * DAY, [alternative])

    def issue(
        self,
        subject: x509.Name,
        lifetime: datetime.timedelta,
        extensions: list[x509.ExtensionType],
        after: int | None = None,
    ) -> tuple[bytes, bytes]:
        """A certificate with a new key of 2048 bits, both in PEM; the key in PKCS#1, as alien.py wants tokens.

        Args:
            subject: who it is for.
            lifetime: from now on.
            extensions: beside the basic constraints.
            after: a second since 1970 that it must be later than (:class:`removals.Removals`).
        """
        key = rsa.generate_private_key(65537, 2048)
        builder = _begin(subject, self.certificate.subject, key.public_key(), lifetime, after)
        for extension in [x509.BasicConstraints(False, None), *extensions]:
            builder = builder.add_extension(extension, isinstance(extension, x509.BasicConstraints))
        return _write(builder.sign(self._key, hashes.SHA256())), _write_key(key)


def name_user(user: str) -> x509.Name:
    """The subject of a user's certificate."""
    return _name(("headless grid", "Users", user))


def end_of(certificate: x509.Certificate) -> float:
    """For how many seconds a certificate is still good; negative for one that has ended."""
    return (certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC)).total_seconds()


def find_issued(certificate: x509.Certificate) -> float:
    """When the authority made a certificate, seconds since 1970."""
    return (certificate.not_valid_before_utc + BACKDATED).timestamp()


def _name(parts: tuple[str, str, str]) -> x509.Name:
    organisation, unit, name = parts
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def _name_host(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _begin(
    subject: x509.Name,
    issuer: x509.Name,
    key: rsa.RSAPublicKey,
    lifetime: datetime.timedelta,
    after: int | None = None,
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    issued = now if after is None else max(now, datetime.datetime.fromtimestamp(after + 1, datetime.UTC))
    number = x509.random_serial_number()
    return x509.CertificateBuilder(issuer, subject, key, number, issued - BACKDATED, now + lifetime)


def _write(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write_key(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
