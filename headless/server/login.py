"""Who is there: the three ways to log in, each ending in an account or in one and the same refusal."""

import asyncio
import hashlib
import hmac
import os
import pwd
import secrets
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from headless.errors import HeadlessError, ParameterError, ProtocolError, Refused, Unavailable
from headless.protocol.messages import USER, LoginChallenge, LoginNamed, LoginProof, LoginSalt
from headless.protocol.scram import LOGIN_REFUSED, MIN_ITERATIONS, ServerExchange, Verifier, read_user
from headless.server.throttle import Throttle
from headless.server.users import User, UserStore

if sys.platform == "win32":
    raise ImportError("the server runs on POSIX systems only: give --service HOST:PORT of one")

__all__ = ["Account", "Door", "Login", "Peer"]

BCRYPT_COST = 12
MALFORMED = "(malformed)"
BCRYPT_ALPHABET = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


@dataclass(frozen=True)
class Peer:
    """What the channel itself says of the other side.

    Attributes:
        source: for the log and the throttle: an address, or ``unix uid=N``.
        uid: of the process on a unix socket; ``None`` over TCP.
        binding: the channel binding data that a *challenge* login must carry; ``None`` where it must carry none.
        subjects: of the client certificate that TLS has checked; empty if there was none.
    """

    source: str
    uid: int | None
    binding: bytes | None
    subjects: frozenset[str]


@dataclass(frozen=True)
class Account:
    """Who is logged in.

    ``is_owner`` is the OS user who runs the server, on its own unix socket: it may do everything.
    """

    user: User
    auth: str
    is_owner: bool = False


class Door:
    """What all logins of a server share: its users, its throttle, and the key of made-up salts."""

    def __init__(self, users: UserStore, mock_key: bytes, throttle: Throttle) -> None:
        """Args:
        users: of this server.
        mock_key: 32 random bytes that stay the same, so that an unknown user's salt does too.
        throttle: of this server.
        """
        self.users = users
        self.throttle = throttle
        self.refused = 0  # logins, for the metrics
        self._mock_key = mock_key

    def find_secret(self, name: str) -> tuple[User | None, str, Verifier]:
        """A user's bcrypt salt and verifier, or made-up ones that look the same and that no proof matches."""
        user = self.users.current().get(name)
        mock = self._make_up(name)
        usable = user is not None and user.enabled and "challenge" in user.logins
        if user is None or user.secret is None or not usable:
            return None, *mock
        return user, user.secret.bcrypt_salt, user.secret.verifier

    def refresh(self, account: Account) -> Account:
        """The account with what its user may do now: what was taken back since the login is gone.

        Raises:
            Refused: the user was removed or disabled, or may not log in like this any more.
        """
        if account.is_owner:
            return account
        user = self.users.current().get(account.user.name)
        before = account.user
        is_same = user is not None and (user.secret, user.subjects) == (before.secret, before.subjects)
        if user is None or not is_same or not user.enabled or account.auth not in user.logins:
            raise Refused(f"{account.user.name} was removed, disabled or changed since this session's login")
        return replace(account, user=user)

    def _make_up(self, name: str) -> tuple[str, Verifier]:
        digest = hmac.digest(self._mock_key, name.encode(), hashlib.sha512)
        # 22 characters of bcrypt's base 64 hold 128 bits: the last one has but 2 of them.
        characters = [BCRYPT_ALPHABET[byte & 63] for byte in digest[:21]] + [BCRYPT_ALPHABET[digest[21] & 0x30]]
        keys = (digest[32:], hmac.digest(self._mock_key, digest, hashlib.sha256))
        return f"$2b${BCRYPT_COST}${''.join(characters)}", Verifier(digest[:16], MIN_ITERATIONS, *keys)


class Login:
    """One connection's way to an account."""

    def __init__(self, door: Door, peer: Peer, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        self.attempted = ""
        self._door = door
        self._peer = peer
        self._sleep = sleep
        self._exchange: ServerExchange | None = None
        self._user: User | None = None

    async def salt(self, message: LoginSalt) -> dict[str, str]:
        """Tell the salt that the secret file of this user is made with; a made-up one if there is no such user."""
        await self._wait_turn(message.user)
        return {"salt": self._door.find_secret(message.user)[1]}

    def challenge(self, message: LoginChallenge) -> dict[str, str]:
        """Begin the SCRAM exchange.

        Raises:
            ProtocolError: malformed.
            ParameterError: another channel binding than this channel's kind.
        """
        name = read_user(message.client_first)
        # What no user can be called goes neither into the log nor into the throttle's memory as it stands.
        self.attempted = name if USER.fullmatch(name) else MALFORMED
        self._check_binding(message.client_first.startswith("p="))
        self._user, _, verifier = self._door.find_secret(self.attempted)
        self._exchange = ServerExchange(verifier, secrets.token_urlsafe(24), self._peer.binding)
        return {"server_first": self._exchange.challenge(message.client_first)}

    async def proof(self, message: LoginProof) -> tuple[dict[str, str], Account]:
        """End the SCRAM exchange.

        Raises:
            Refused: the proof is wrong.
            ProtocolError: malformed.
        """
        if self._exchange is None:
            raise ProtocolError("no challenge was asked for")
        throttle, source = self._door.throttle, self._peer.source
        await self._wait_turn(self.attempted)
        try:
            final = self._exchange.finish(message.client_final)
            if self._user is None:
                raise Refused(LOGIN_REFUSED)
        except HeadlessError:
            throttle.fail(source, self.attempted)
            raise
        throttle.succeed(source, self.attempted)
        self._exchange = None  # a session may wait for days
        return {"server_final": final, "user": self._user.name}, Account(self._user, "challenge")

    async def _wait_turn(self, user: str) -> None:
        wait_s = self._door.throttle.reserve(self._peer.source, user)
        if wait_s is None:
            raise Unavailable("too many logins from there have failed: try again in some seconds")
        await self._sleep(wait_s)

    def _check_binding(self, is_bound: bool) -> None:
        if is_bound and self._peer.binding is None:
            raise ParameterError("this server stands behind a TLS proxy: add --proxied, which has the chain checked")
        if self._peer.binding is not None and not is_bound:
            raise ParameterError("this server wants the login bound to its certificate: leave out --proxied")

    def osuser(self, message: LoginNamed) -> tuple[dict[str, str], Account]:
        """Take the kernel's word (SO_PEERCRED).

        Raises:
            Refused: no unix socket, no such user, or not allowed to log in so.
        """
        self.attempted = message.user
        uid = self._peer.uid
        if uid is None:
            raise Refused(
                "osuser works on the server's unix socket only: use --service unix:/path or another --auth-type"
            )
        name = _read_os_name(uid)
        self.attempted = message.user or name
        if uid == os.geteuid() and message.user in ("", name):
            account = Account(User(name), "osuser", is_owner=True)
        else:
            user = self._door.users.find(lambda user: _is_os_user(user, name, message.user))
            if user is None:
                raise Refused(LOGIN_REFUSED)
            account = Account(user, "osuser")
        return {"user": account.user.name}, account

    def x509(self, message: LoginNamed) -> tuple[dict[str, str], Account]:
        """Take the word of the authorities that TLS has checked the client's certificate against.

        Raises:
            Refused: no certificate, or none of a user.
        """
        self.attempted = message.user
        subjects = self._peer.subjects
        if not subjects:
            raise Refused("no client certificate was shown: give --cert and --key, and see the server's client_ca")
        user = self._door.users.find(lambda user: _is_subject(user, subjects, message.user))
        if user is None:
            raise Refused(LOGIN_REFUSED)
        return {"user": user.name}, Account(user, "x509")


def _is_os_user(user: User, os_name: str, claimed: str) -> bool:
    return (
        user.enabled
        and "osuser" in user.logins
        and (user.os_user or user.name) == os_name
        and claimed in ("", os_name, user.name)
    )


def _is_subject(user: User, subjects: frozenset[str], claimed: str) -> bool:
    return (
        user.enabled and "x509" in user.logins and claimed in ("", user.name) and not subjects.isdisjoint(user.subjects)
    )


def _read_os_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid{uid}"
