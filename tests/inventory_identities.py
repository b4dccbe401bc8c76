"""Certificates and keys of a test: recipients and signers."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Holder:
    """Somebody with a certificate and its key, also as files."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    certificate_file: Path
    key_file: Path

    @property
    def rsa_key(self) -> rsa.RSAPrivateKey:
        """The key, of a holder that has one of RSA."""
        assert isinstance(self.key, rsa.RSAPrivateKey)
        return self.key


def make_holder(folder: Path, name: str, *, days: int = 30, elliptic: bool = False) -> Holder:
    """Make a certificate signed by its own key, that ends in so many days, which may be below 0."""
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    key = ec.generate_private_key(ec.SECP256R1()) if elliptic else rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    end = datetime.now(UTC) + timedelta(days=days)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    certificate = builder.not_valid_before(end - timedelta(days=400)).not_valid_after(end).sign(key, hashes.SHA256())
    holder = Holder(certificate, key, folder / f"{name}.pem", folder / f"{name}.key")
    holder.certificate_file.write_bytes(certificate.public_bytes(Encoding.PEM))
    holder.key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    holder.key_file.chmod(0o600)
    return holder


def make_collector(folder: Path) -> Holder:
    """Make a collector's certificate and key; ``both.pem`` in the folder has the two, for ``serve --key``."""
    holder = make_holder(folder, "collector")
    (folder / "both.pem").write_bytes(holder.certificate_file.read_bytes() + holder.key_file.read_bytes())
    return holder


def read_holder(folder: Path, name: str) -> Holder:
    """Read what :func:`make_holder` has written, with a key of RSA."""
    files = folder / f"{name}.pem", folder / f"{name}.key"
    key = load_pem_private_key(files[1].read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return Holder(x509.load_pem_x509_certificate(files[0].read_bytes()), key, *files)
