"""No stranger learns who is a user: same answers, same delays and same work for all that cannot log in."""

import asyncio
import hmac
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headless.errors import HeadlessError, ParameterError, Refused
from headless.protocol import scram
from headless.protocol.messages import LoginChallenge, LoginProof, LoginSalt
from headless.protocol.scram import ClientExchange, build_verifier
from headless.server.login import Account, Door, Login, Peer
from headless.server.throttle import Throttle
from headless.server.users import Secret, User, UserStore

SALT = "$2b$12$abcdefghijklmnopqrstuu"
RIGHT, WRONG = b"$2b$12$the-right-text", b"$2b$12$a-wrong-text"
KEY = bytes(range(32))
BINDING = b"b" * 32

# who tries, with what: none of them may log in
CASES = {
    "unknown user": ("nobody", RIGHT),
    "wrong secret": ("batch", WRONG),
    "disabled user": ("disabled", RIGHT),
    "user without this login": ("local", RIGHT),
    "user without a secret": ("bare", RIGHT),
}


@pytest.fixture
def store(tmp_path: Path) -> UserStore:
    store = UserStore(str(tmp_path))
    secret = Secret(SALT, build_verifier(RIGHT, b"0123456789abcdef"))
    store.add(User("batch", secret=secret))
    store.add(User("disabled", enabled=False, secret=secret))
    store.add(User("local", logins=("osuser",), secret=secret))
    store.add(User("bare"))
    return store


class Attempt:
    """One login on a connection of its own, with the waits that it was told and the HMACs that were computed."""

    def __init__(self, store: UserStore, throttle: Throttle, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waits: list[float] = []
        self.hmacs = 0
        self.answers: list[str] = []
        self._login = Login(Door(store, KEY, throttle), Peer("10.0.0.1", None, BINDING, frozenset()), self._sleep)
        monkeypatch.setattr(scram, "_hmac", self._hmac)

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    def _hmac(self, key: bytes, message: bytes) -> bytes:
        self.hmacs += 1
        return hmac.digest(key, message, "sha256")

    def run(self, user: str, secret: bytes) -> Account | HeadlessError:
        return asyncio.run(self._run(user, secret))

    async def _run(self, user: str, secret: bytes) -> Account | HeadlessError:
        exchange = ClientExchange(user, secret, "client-nonce", BINDING)
        first = self._login.challenge(LoginChallenge(exchange.first()))["server_first"]
        # The nonce and the salt differ in every answer; their forms must not.
        self.answers.append(re.sub(r"[^,=]{16,}", lambda found: "x" * len(found[0]), first))
        final = exchange.respond(first)
        self.hmacs = 0  # only the server's from here on
        try:
            return (await self._login.proof(LoginProof(final)))[1]
        except HeadlessError as exc:
            self.answers.append(f"{type(exc).__name__}: {exc}")
            return exc


def test_the_right_secret_logs_in(store: UserStore, monkeypatch: pytest.MonkeyPatch) -> None:
    account = Attempt(store, Throttle(lambda: 0.0), monkeypatch).run("batch", RIGHT)
    assert isinstance(account, Account) and account.user.name == "batch"


def test_all_that_cannot_log_in_get_the_same_answers_of_the_same_length(
    store: UserStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {}
    for case, (user, secret) in CASES.items():
        attempt = Attempt(store, Throttle(lambda: 0.0), monkeypatch)
        assert isinstance(attempt.run(user, secret), Refused), case
        answers[case] = attempt.answers
    expected = answers["wrong secret"]
    assert expected[1] == f"Refused: {scram.LOGIN_REFUSED}"
    assert answers == dict.fromkeys(CASES, expected)


def test_all_that_cannot_log_in_cause_the_same_work_and_the_same_delays(
    store: UserStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time is the same by construction: as many HMACs, as many waits, each as long. No clock is asked."""
    seen = {}
    for case, (user, secret) in CASES.items():
        throttle, rows = Throttle(lambda: 0.0), []
        for _ in range(6):
            attempt = Attempt(store, throttle, monkeypatch)
            attempt.run(user, secret)
            rows.append((attempt.hmacs, attempt.waits))
        seen[case] = rows
    assert seen == dict.fromkeys(CASES, seen["wrong secret"])
    assert [waits for _, waits in seen["wrong secret"]] == [[0.0], [0.0], [0.0], [1.0], [2.0], [3.0]]


def test_a_made_up_verifier_is_computed_for_users_that_exist_too(
    store: UserStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    make_up: Callable[..., Any] = Door._make_up

    def count(door: Door, name: str) -> Any:
        calls.append(name)
        return make_up(door, name)

    monkeypatch.setattr(Door, "_make_up", count)
    door = Door(store, KEY, Throttle(lambda: 0.0))
    for name in ("batch", "nobody"):
        door.find_secret(name)
    assert calls == ["batch", "nobody"]


def salt_of(store: UserStore, name: str, key: bytes = KEY) -> str:
    door = Door(store, key, Throttle(lambda: 0.0))

    async def sleep(_: float) -> None:
        return

    login = Login(door, Peer("10.0.0.1", None, BINDING, frozenset()), sleep)
    return asyncio.run(login.salt(LoginSalt(name)))["salt"]


def test_a_made_up_salt_looks_like_a_real_one_and_stays_the_same(store: UserStore) -> None:
    import bcrypt

    form = re.compile(r"\$2b\$12\$[./A-Za-z0-9]{21}[.Oeu]")
    assert all(form.fullmatch(bcrypt.gensalt(12).decode()) for _ in range(50))
    salts = {name: salt_of(store, name) for name in [f"user{number}" for number in range(50)]}
    assert all(form.fullmatch(salt) for salt in salts.values())
    assert len(set(salts.values())) == len(salts)
    assert salts == {name: salt_of(store, name) for name in salts}
    assert salt_of(store, "user0", b"k" * 32) != salts["user0"]  # nobody can compute it without the key
    assert bcrypt.hashpw(b"password", salts["user0"].encode()).startswith(salts["user0"].encode())


def test_a_disabled_user_has_a_made_up_salt_too_and_a_usable_one_its_own(store: UserStore) -> None:
    assert salt_of(store, "batch") == SALT
    assert salt_of(store, "disabled") != SALT
    assert salt_of(store, "local") != SALT


@pytest.mark.parametrize(
    ("binding", "first", "hint"),
    [
        (None, "p=tls-server-end-point,,n=batch,r=x", "add --proxied"),
        (BINDING, "n,,n=batch,r=x", "leave out --proxied"),
        (BINDING, "y,,n=batch,r=x", "leave out --proxied"),
    ],
)
def test_a_login_of_the_other_kind_is_refused_with_the_option_that_mends_it(
    store: UserStore, binding: bytes | None, first: str, hint: str
) -> None:
    login = Login(Door(store, KEY, Throttle(lambda: 0.0)), Peer("10.0.0.1", None, binding, frozenset()))
    with pytest.raises(ParameterError, match=hint):
        login.challenge(LoginChallenge(first))


def test_what_was_taken_back_after_the_login_is_gone(store: UserStore) -> None:
    door = Door(store, KEY, Throttle(lambda: 0.0))
    account = Account(store.load()["batch"], "challenge")
    store.change("batch", lambda _: {"code": True})
    assert door.refresh(account).user.code
    store.change("batch", lambda _: {"code": False})
    assert not door.refresh(account).user.code
    store.change("batch", lambda _: {"logins": ("osuser",)})
    with pytest.raises(Refused):
        door.refresh(account)
    store.remove("batch")
    with pytest.raises(Refused, match="removed, disabled or changed"):
        door.refresh(account)
    owner = Account(User("root"), "osuser", is_owner=True)
    assert door.refresh(owner) is owner
