"""The session's state table: every state x every method, and the same table in the protocol's document."""

import re
from pathlib import Path

import pytest

from headless.errors import ProtocolError
from headless.protocol.codec import (
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    Notification,
    Request,
    Response,
    encode_message,
)
from headless.protocol.messages import PARAMETERS
from headless.protocol.session import LOGIN_METHODS, TRANSITIONS, Session, SessionState

NEW, CHALLENGED, READY, CLOSED = SessionState
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "protocol.md"

# method -> (the state it is allowed in, the state after success, the state after an error); written once more, by
# hand, so that a slip in the table shows.
EXPECTED = {
    "login.salt": (NEW, NEW, CLOSED),
    "login.challenge": (NEW, CHALLENGED, CLOSED),
    "login.osuser": (NEW, READY, CLOSED),
    "login.x509": (NEW, READY, CLOSED),
    "login.proof": (CHALLENGED, READY, CLOSED),
    "job.check": (READY, READY, READY),
    "job.upload": (READY, READY, READY),
    "job.start": (READY, READY, READY),
    "job.watch": (READY, READY, READY),
    "job.list": (READY, READY, READY),
    "job.show": (READY, READY, READY),
    "job.cancel": (READY, READY, READY),
    "job.rerun": (READY, READY, READY),
    "job.prune": (READY, READY, READY),
    "server.status": (READY, READY, READY),
    "server.stop": (READY, READY, READY),
}
UNKNOWN = ["", "login", "login.PROOF", "job.start ", "job.stop", "__init__", "rpc.discover", "\0"]
WAYS = {NEW: [], CHALLENGED: ["login.challenge"], READY: ["login.osuser"]}


def session_in(state: SessionState) -> Session:
    """A session that has come to this state as a session does."""
    session = Session()
    for method in WAYS.get(state, []):
        session.succeed(Request(1, method, {}))
    if state is CLOSED:
        session.fail(None)
    assert session.state is state
    return session


@pytest.mark.parametrize("state", SessionState)
@pytest.mark.parametrize("method", EXPECTED)
def test_a_method_is_allowed_in_its_state_only(state: SessionState, method: str) -> None:
    session, request = session_in(state), Request(1, method, {})
    allowed, after, _ = EXPECTED[method]
    if state is allowed:
        session.check_allowed(request)
        session.succeed(request)
        assert session.state is after
        return
    with pytest.raises(ProtocolError, match="not allowed in the state") as caught:
        session.check_allowed(request)
    assert caught.value.code == INVALID_REQUEST
    with pytest.raises(ProtocolError):
        session.succeed(request)
    assert session.state is state


@pytest.mark.parametrize("state", SessionState)
@pytest.mark.parametrize("method", [*EXPECTED, *UNKNOWN])
def test_an_error_closes_the_session_unless_somebody_is_logged_in(state: SessionState, method: str) -> None:
    session = session_in(state)
    session.fail(Request(1, method, {}))
    assert session.state is (READY if state is READY else CLOSED)


@pytest.mark.parametrize("state", SessionState)
def test_a_message_that_is_no_request_closes_the_session_unless_somebody_is_logged_in(state: SessionState) -> None:
    session = session_in(state)
    session.fail(None)
    assert session.state is (READY if state is READY else CLOSED)


@pytest.mark.parametrize("state", SessionState)
@pytest.mark.parametrize("method", UNKNOWN)
def test_an_unknown_method_is_told_as_such_in_every_state(state: SessionState, method: str) -> None:
    session = session_in(state)
    with pytest.raises(ProtocolError, match="unknown method") as caught:
        session.check_allowed(Request(1, method, {}))
    assert caught.value.code == METHOD_NOT_FOUND
    assert session.state is state


@pytest.mark.parametrize("state", SessionState)
@pytest.mark.parametrize("message", [Notification("server.stop", {}), Response(1, {})])
def test_only_requests_are_taken(state: SessionState, message: Notification | Response) -> None:
    session = session_in(state)
    with pytest.raises(ProtocolError, match="only requests"):
        session.receive_text(encode_message(message))
    assert session.state is state


def test_a_login_by_challenge_goes_through_both_steps() -> None:
    session = Session()
    for method, after in (("login.salt", NEW), ("login.challenge", CHALLENGED), ("login.proof", READY)):
        request = session.receive_text(encode_message(Request(1, method, {})))
        session.check_allowed(request)
        session.succeed(request)
        assert session.state is after


def test_the_table_holds_exactly_the_methods_whose_parameters_are_known() -> None:
    assert {method for row in TRANSITIONS.values() for method in row} == set(EXPECTED) == set(PARAMETERS)
    assert set(TRANSITIONS) == set(SessionState)
    assert {method for method in EXPECTED if method.startswith("login.")} == LOGIN_METHODS


def test_the_document_shows_the_same_table() -> None:
    section = DOCUMENT.read_text(encoding="utf-8").partition("## States")[2].partition("\n## ")[0]
    documented = {}
    for row in re.findall(r"(?m)^\| (\w+) \| (.*) \| (\w+) \| (\w+) \|$", section):
        state, methods, after, failed = row
        for method in re.findall(r"`([^`]+)`", methods):
            documented[method] = (SessionState(state), SessionState(after), SessionState(failed))
    assert documented == EXPECTED


def test_the_document_names_every_parameter_of_every_method() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for method, cls in PARAMETERS.items():
        named = re.search(rf"`{re.escape(method)} \{{([^}}]*)\}}`", text)
        names = re.findall(r"\w+", named[1]) if named else []
        assert names == list(cls.__dataclass_fields__), method
        assert f"`{method}`" in text
