"""The server's own certificate, made at first start: nothing has to be copied around (``docs/security.md``)."""

import datetime
import ipaddress
import os
import socket

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from headless.execution.files import write_atomically

__all__ = ["ensure_certificate", "read_leaf", "read_subjects"]

VALID_DAYS = 3650  # nobody renews it: what binds a login to it is its fingerprint, not its dates


def ensure_certificate(folder: str) -> tuple[str, str]:
    """Return the paths of the certificate and key in ``folder``; make them if they are not there."""
    certificate_path, key_path = os.path.join(folder, "server.pem"), os.path.join(folder, "server.key")
    if not (os.path.exists(certificate_path) and os.path.exists(key_path)):
        certificate, key = _make_certificate()
        write_atomically(key_path, key)
        write_atomically(certificate_path, certificate, mode=0o644)
    return certificate_path, key_path


def read_leaf(path: str) -> bytes:
    """The first certificate of a PEM file, in DER.

    Raises:
        ValueError: there is none.
    """
    with open(path, "rb") as file:
        return x509.load_pem_x509_certificates(file.read())[0].public_bytes(serialization.Encoding.DER)


def read_subjects(certificate: bytes) -> frozenset[str]:
    """What a client certificate (DER) says of its holder: the subject (RFC 4514) and each ``KIND:name`` of the SAN."""
    parsed = x509.load_der_x509_certificate(certificate)
    subjects = {parsed.subject.rfc4514_string()} - {""}
    try:
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset(subjects)
    subjects |= {f"DNS:{name}" for name in names.get_values_for_type(x509.DNSName)}
    subjects |= {f"URI:{name}" for name in names.get_values_for_type(x509.UniformResourceIdentifier)}
    subjects |= {f"email:{name}" for name in names.get_values_for_type(x509.RFC822Name)}
    return frozenset(subjects)


def _make_certificate() -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    host = socket.gethostname()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"headless on {host}"[:64])])
    now = datetime.datetime.now(datetime.UTC)
    names = {item for item in (host, socket.getfqdn(), "localhost") if item and item.isascii()}
    local = [x509.IPAddress(ipaddress.ip_address(text)) for text in ("127.0.0.1", "::1")]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName([*map(x509.DNSName, sorted(names)), *local]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private
