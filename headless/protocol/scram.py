"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677), both sides, as values.

The password of headless is the bcrypt hash text of the secret file: ASCII, on which SASLprep does nothing.
Nonces and salts are arguments: nothing here is random, so the vectors of RFC 7677 are tests.
"""

import hashlib
import hmac
from dataclasses import dataclass

from headless.errors import ProtocolError, Refused
from headless.protocol.codec import decode_bytes, encode_bytes

__all__ = [
    "MAX_ITERATIONS",
    "MIN_ITERATIONS",
    "ClientExchange",
    "ServerExchange",
    "Verifier",
    "build_verifier",
    "read_user",
]

MIN_ITERATIONS = 4096  # RFC 7677, section 4
MAX_ITERATIONS = 1_000_000  # half a second of a launcher: a hostile server cannot keep it busier than that
LOGIN_REFUSED = "login refused: unknown user, wrong secret, or user disabled"


@dataclass(frozen=True)
class Verifier:
    """What the server keeps of a secret: enough to check a proof, not enough to make one (RFC 5802, section 9)."""

    salt: bytes
    iterations: int
    stored_key: bytes
    server_key: bytes


def build_verifier(password: bytes, salt: bytes, iterations: int = MIN_ITERATIONS) -> Verifier:
    """Compute what the server keeps of ``password`` (RFC 5802, section 3)."""
    salted = hashlib.pbkdf2_hmac("sha256", password, salt, iterations)
    stored_key = hashlib.sha256(_hmac(salted, b"Client Key")).digest()
    return Verifier(salt, iterations, stored_key, _hmac(salted, b"Server Key"))


class ClientExchange:
    """The launcher's side: :meth:`first`, then :meth:`respond`, then :meth:`verify`."""

    def __init__(self, user: str, password: bytes, nonce: str, binding: bytes | None) -> None:
        """Args:
        user: the name, not yet escaped.
        password: the text of the secret file.
        nonce: printable ASCII without a comma, of 128 random bits or more, never used before.
        binding: the ``tls-server-end-point`` data (RFC 5929) of the channel; ``None`` to log in without binding.
        """
        self._password = password
        self._nonce = nonce
        self._header = b"n,," if binding is None else b"p=tls-server-end-point,,"
        self._binding = binding or b""
        self._first_bare = f"n={_escape(user)},r={nonce}"
        self._signature = b""

    def first(self) -> str:
        """The client-first-message."""
        return self._header.decode() + self._first_bare

    def respond(self, server_first: str) -> str:
        """The client-final-message, with the proof, for the server's challenge.

        Raises:
            ProtocolError: the challenge is malformed, or not an answer to our nonce.
        """
        fields = _parse_fields(server_first, "rsi")
        nonce, salt, iterations = fields["r"], decode_bytes(fields["s"]), _parse_iterations(fields["i"])
        if not nonce.startswith(self._nonce) or len(nonce) == len(self._nonce) or not salt:
            raise ProtocolError("the server's challenge does not answer ours")
        final_bare = f"c={encode_bytes(self._header + self._binding)},r={nonce}"
        auth_message = f"{self._first_bare},{server_first},{final_bare}".encode()
        salted = hashlib.pbkdf2_hmac("sha256", self._password, salt, iterations)
        client_key = _hmac(salted, b"Client Key")
        proof = _xor(client_key, _hmac(hashlib.sha256(client_key).digest(), auth_message))
        self._signature = _hmac(_hmac(salted, b"Server Key"), auth_message)
        return f"{final_bare},p={encode_bytes(proof)}"

    def verify(self, server_final: str) -> None:
        """Check that the server knows our verifier too.

        Raises:
            Refused: it does not: this is not the server that the secret was made for.
        """
        signature = decode_bytes(_parse_fields(server_final, "v")["v"])
        if not self._signature or not hmac.compare_digest(signature, self._signature):
            raise Refused("the server could not prove that it knows this user: it is not the one it claims to be")


class ServerExchange:
    """The server's side: :func:`read_user`, then :meth:`challenge`, then :meth:`finish`."""

    def __init__(self, verifier: Verifier, nonce: str, binding: bytes | None) -> None:
        """Args:
        verifier: of the user, or a made-up one that no proof can match.
        nonce: as for :class:`ClientExchange`; the server's own part.
        binding: the channel's binding data; ``None`` where a login without binding is to be taken.
        """
        self._verifier = verifier
        self._nonce = nonce
        self._header = b"n,," if binding is None else b"p=tls-server-end-point,,"
        self._binding = binding or b""
        self._first_bare = ""
        self._server_first = ""

    def challenge(self, client_first: str) -> str:
        """The server-first-message.

        Raises:
            ProtocolError: malformed, or another channel binding than this channel's kind.
        """
        header = self._header.decode()
        if not client_first.startswith(header):
            raise ProtocolError(
                "this channel needs a login with tls-server-end-point binding"
                if self._binding
                else "this channel takes a login without channel binding only"
            )
        self._first_bare = client_first.removeprefix(header)
        self._nonce = _parse_fields(self._first_bare, "nr")["r"] + self._nonce
        verifier = self._verifier
        self._server_first = f"r={self._nonce},s={encode_bytes(verifier.salt)},i={verifier.iterations}"
        return self._server_first

    def finish(self, client_final: str) -> str:
        """The server-final-message, once the proof is right.

        Raises:
            ProtocolError: malformed.
            Refused: wrong proof, or made over another channel: somebody stands in the middle.
        """
        final_bare, separator, _ = client_final.rpartition(",p=")
        fields = _parse_fields(client_final, "crp")
        proof = decode_bytes(fields["p"])
        if not separator or len(proof) != hashlib.sha256().digest_size:
            raise ProtocolError("malformed proof")
        auth_message = f"{self._first_bare},{self._server_first},{final_bare}".encode()
        client_key = _xor(proof, _hmac(self._verifier.stored_key, auth_message))
        # All three are computed before any is judged: the time tells nothing.
        checks = (
            hmac.compare_digest(hashlib.sha256(client_key).digest(), self._verifier.stored_key),
            hmac.compare_digest(decode_bytes(fields["c"]), self._header + self._binding),
            hmac.compare_digest(fields["r"].encode(), self._nonce.encode()),
        )
        if not all(checks):
            raise Refused(LOGIN_REFUSED)
        return f"v={encode_bytes(_hmac(self._verifier.server_key, auth_message))}"


def read_user(client_first: str) -> str:
    """The user's name in a client-first-message.

    Raises:
        ProtocolError: malformed.
    """
    flag, _, rest = client_first.partition(",")
    authzid, _, bare = rest.partition(",")
    if authzid or not (flag in ("n", "y") or flag.startswith("p=")):
        raise ProtocolError("malformed client-first-message")
    return _unescape(_parse_fields(bare, "nr")["n"])


def _parse_fields(text: str, names: str) -> dict[str, str]:
    """Read ``a=...,b=...`` with exactly these names in this order; extensions are refused (RFC 5802, 5.1)."""
    parts = text.split(",")
    if [part[:2] for part in parts] != [f"{name}=" for name in names]:
        raise ProtocolError("malformed SCRAM message")
    fields = {part[0]: part[2:] for part in parts}
    nonce = fields.get("r", "nonce")
    if not nonce or not all("!" <= character <= "~" for character in nonce):
        raise ProtocolError("malformed SCRAM nonce")
    return fields


def _parse_iterations(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 7):
        raise ProtocolError("malformed iteration count")
    if not MIN_ITERATIONS <= int(text) <= MAX_ITERATIONS:
        raise ProtocolError(f"iteration count {text} is not in {MIN_ITERATIONS} to {MAX_ITERATIONS}")
    return int(text)


def _escape(name: str) -> str:
    return name.replace("=", "=3D").replace(",", "=2C")


def _unescape(name: str) -> str:
    plain = name.replace("=2C", ",").replace("=3D", "=")
    if not plain or _escape(plain) != name:
        raise ProtocolError("malformed user name")
    return plain


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))
