"""Signing and verifying: CMS SignedData with the content within it (RFC 5652, section 5), by certificates known before.

Who may sign is said by listing certificates: no chain is built, nobody else's word is taken.
"""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs7

from headless.errors import ParameterError
from headless.extras import tell_install
from headless.inventory.envelope import SIGNED, BadSeal, read_content_type, unwrap

__all__ = ["SigningKey", "sign", "verify"]

SigningKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}


def sign(data: bytes, certificate: x509.Certificate, key: SigningKey) -> bytes:
    """Sign data; what is returned holds it, the signature and the certificate, as DER."""
    builder = pkcs7.PKCS7SignatureBuilder().set_data(data).add_signer(certificate, key, hashes.SHA256())
    return builder.sign(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.NoCapabilities])


def verify(
    signed: bytes, trusted: Sequence[x509.Certificate], *, now: datetime | None = None
) -> tuple[bytes, x509.Certificate]:
    """Check that one of these has signed; return what was signed, and whose certificate it was.

    Args:
        signed: DER, PEM or S/MIME, with the content within it.
        trusted: the certificates that may sign; those in the message itself count for nothing.
        now: the time at which the certificate must hold; ``None``: at this moment.

    Raises:
        BadSeal: nobody of them has, their certificate does not hold now, or the content is not what was signed.
        ParameterError: the library for this is not installed.
    """
    content, signers = _parse(unwrap(signed))
    for signer in signers:
        for certificate in trusted:
            if _is_of(signer, certificate):
                _check_times(certificate, now or datetime.now(UTC))
                _check(signer, certificate, content)
                return content, certificate
    raise BadSeal("signed by nobody whose certificate is known here")


def _parse(der: bytes) -> tuple[bytes, list[Any]]:
    """The content, and the SignerInfos as asn1crypto has them."""
    try:
        from asn1crypto import cms
    except ImportError as exc:
        raise ParameterError(f"signatures are verified with asn1crypto: {tell_install('inventory')}") from exc
    if read_content_type(der) != SIGNED:
        raise BadSeal("not signed: it is no CMS SignedData")
    try:
        body = cms.ContentInfo.load(der, strict=True)["content"]
        content = body["encap_content_info"]["content"].native
        signers = list(body["signer_infos"])
        for signer in signers:
            signer.native  # noqa: B018  # parsing is done late: whatever is wrong with it shows here
    except (ValueError, TypeError, KeyError) as exc:
        raise BadSeal(f"no whole SignedData: {exc}"[:200].replace("\n", " ")) from None
    if not isinstance(content, bytes):
        raise BadSeal("the signed content is not within the message")
    return content, signers


def _is_of(signer: Any, certificate: x509.Certificate) -> bool:
    sid = signer["sid"]
    if sid.name == "issuer_and_serial_number":
        chosen = sid.chosen
        return bool(
            chosen["serial_number"].native == certificate.serial_number
            and chosen["issuer"].dump() == certificate.issuer.public_bytes()
        )
    return bool(sid.chosen.native == _find_key_identifier(certificate))


def _find_key_identifier(certificate: x509.Certificate) -> bytes:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest


def _check_times(certificate: x509.Certificate, now: datetime) -> None:
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        name = certificate.subject.rfc4514_string()
        raise BadSeal(f"signed with the certificate of {name}, which holds until {certificate.not_valid_after_utc}")


def _check(signer: Any, certificate: x509.Certificate, content: bytes) -> None:
    """RFC 5652, section 5.4: what is signed are the attributes, and one of them is the content's digest."""
    algorithm = signer["digest_algorithm"]["algorithm"].native
    if algorithm not in HASHES:
        raise BadSeal(f"signed with {algorithm}, which is not taken")
    attributes = signer["signed_attrs"]
    values = {attribute["type"].native: attribute["values"] for attribute in attributes or ()}
    if len(values) != len(attributes or ()) or not {"message_digest", "content_type"} <= set(values):
        raise BadSeal("the signature's attributes are not those of RFC 5652")
    digest = values["message_digest"][0].native
    if not hmac.compare_digest(digest, hashlib.new(algorithm, content).digest()):
        raise BadSeal("the content is not what was signed")
    told = b"\x31" + attributes.dump()[1:]  # as a SET OF, not under its tag in the message
    _check_signature(certificate, signer["signature"].native, told, HASHES[algorithm])


def _check_signature(
    certificate: x509.Certificate, signature: bytes, told: bytes, algorithm: hashes.HashAlgorithm
) -> None:
    key = certificate.public_key()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, told, padding.PKCS1v15(), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, told, ec.ECDSA(algorithm))
        else:
            raise BadSeal("signed with a key that is neither RSA nor of an elliptic curve")
    except InvalidSignature:
        raise BadSeal("the signature does not fit") from None
