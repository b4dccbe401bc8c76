"""From a body to what is within: unsealed, its signature verified."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509

from headless.inventory.report import BadReport
from headless.inventory.seal import BadSeal, Identity, is_sealed, is_signed, open_sealed, verify

__all__ = ["Opened", "open_body"]

NO_KEY = (
    "no key to open it with: name one in the settings ('keys', --config) or to serve (--key),"
    " then: headless inventory reprocess"
)
LAYERS = 3  # signed, sealed, and signed again


@dataclass(frozen=True, slots=True)
class Opened:
    """What was in a body.

    Attributes:
        content: the report as its host wrote it.
        is_sealed: whether it was sealed for us.
        signers: the subjects of those who have signed it.
    """

    content: bytes
    is_sealed: bool
    signers: tuple[str, ...]


def open_body(
    body: bytes, identities: Sequence[Identity], trusted: Sequence[x509.Certificate], received: int | None
) -> Opened:
    """Take off what a body is wrapped in.

    Args:
        body: as it came.
        identities: our certificates and keys, the newest first.
        trusted: the certificates that may sign.
        received: when it came, seconds since the epoch: the signer's certificate must have held then; ``None``: it may
            have ended since.

    Raises:
        BadReport: it cannot be opened, or is signed by somebody else.
    """
    has_seal = False
    signers: list[str] = []
    for _ in range(LAYERS):
        try:
            if is_sealed(body):
                if not identities:
                    raise BadReport(NO_KEY)
                body, has_seal = open_sealed(body, identities), True
            elif is_signed(body):
                body, certificate = _verify(body, trusted, received)
                signers.append(certificate.subject.rfc4514_string())
            else:
                break
        except BadSeal as exc:
            raise BadReport(str(exc)) from exc
    return Opened(body, has_seal, tuple(signers))


def _verify(body: bytes, trusted: Sequence[x509.Certificate], received: int | None) -> tuple[bytes, x509.Certificate]:
    if received is not None:
        return verify(body, trusted, now=datetime.fromtimestamp(received, UTC))
    error = BadSeal("signed by nobody whose certificate is known here")
    for certificate in trusted:
        try:
            return verify(body, [certificate], now=certificate.not_valid_after_utc)
        except BadSeal as exc:
            error = exc
    raise error
