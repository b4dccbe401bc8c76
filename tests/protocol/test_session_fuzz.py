"""Whatever a peer sends, in whatever order, a session raises nothing but ProtocolError, and nobody slips in."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from fuzzing import FUZZ, JSON, OBJECTS
from headless.errors import ProtocolError
from headless.protocol.codec import Request, encode_message
from headless.protocol.messages import PARAMETERS, parse_parameters
from headless.protocol.session import METHODS, Session, SessionState

METHOD = st.sampled_from(sorted(METHODS)) | st.text(max_size=8)
REQUESTS = st.builds(Request, st.integers(0, 9), METHOD, OBJECTS)
TEXTS = st.one_of(REQUESTS.map(encode_message), st.text(max_size=30), JSON.map(json.dumps))
LOGINS = {"login.osuser", "login.x509", "login.proof"}


class SessionMachine(RuleBasedStateMachine):
    """A session as the server leads it, with a peer and handlers that do anything."""

    def __init__(self) -> None:
        super().__init__()
        self.session = Session()
        self.history: list[str] = []  # methods that succeeded
        self.has_failed = False  # before the login

    @rule(text=TEXTS, works=st.booleans())
    def message(self, text: str, works: bool) -> None:
        """A message arrives; if it is allowed, its handler succeeds or fails."""
        before = self.session.state
        request = None
        try:
            request = self.session.receive_text(text)
            self.session.check_allowed(request)
            if not works:
                raise ProtocolError("the handler has refused it")
        except ProtocolError:
            self.session.fail(request)
            self.has_failed |= before is not SessionState.READY
            return
        assert before is not SessionState.CLOSED
        self.session.succeed(request)
        self.history.append(request.method)

    @rule(method=st.sampled_from(sorted(METHODS)))
    def well_behaved(self, method: str) -> None:
        """A proper request of any method whose handler succeeds: it brings the machine far."""
        self.message(encode_message(Request(1, method, {})), works=True)

    @rule(request=REQUESTS)
    def answered_without_being_asked(self, request: Request) -> None:
        """A success that nothing has allowed changes nothing."""
        before = self.session.state
        try:
            self.session.check_allowed(request)
        except ProtocolError:
            with pytest.raises(ProtocolError):
                self.session.succeed(request)
            assert self.session.state is before

    @invariant()
    def nobody_is_in_without_a_login(self) -> None:
        """READY means: one login came through, before any failure; nothing else came through before it."""
        is_in = any(method in LOGINS for method in self.history)
        assert (self.session.state is SessionState.READY) == is_in
        assert (self.session.state is SessionState.CLOSED) == self.has_failed
        assert not (is_in and self.has_failed)
        before = self.history[: next((n for n, method in enumerate(self.history) if method in LOGINS), None)]
        assert set(before) <= {"login.salt", "login.challenge"}
        if "login.proof" in self.history:
            assert "login.challenge" in self.history[: self.history.index("login.proof")]

    @invariant()
    def a_closed_session_takes_nothing(self) -> None:
        """Not one method is allowed any more."""
        if self.session.state is SessionState.CLOSED:
            for method in METHODS:
                with pytest.raises(ProtocolError):
                    self.session.check_allowed(Request(1, method, {}))


def test_no_order_of_messages_breaks_a_session_or_lets_a_stranger_in() -> None:
    run_state_machine_as_test(SessionMachine, settings=settings(FUZZ, max_examples=60, stateful_step_count=15))


@given(TEXTS)
@FUZZ
def test_any_text_is_a_request_or_a_protocol_error(text: str) -> None:
    try:
        request = Session().receive_text(text)
    except ProtocolError:
        return
    assert isinstance(request, Request)


@given(st.sampled_from(sorted(PARAMETERS)), OBJECTS, st.data())
@FUZZ
def test_any_parameters_are_read_or_a_protocol_error(
    method: str, values: dict[str, object], data: st.DataObject
) -> None:
    names = st.sampled_from(["user", *PARAMETERS[method].__dataclass_fields__])
    values = values | data.draw(st.dictionaries(names, JSON | st.just("0" * 26) | st.just("code")))
    try:
        parameters = parse_parameters(method, values)
    except ProtocolError as exc:
        assert exc.code == -32602
        assert str(exc).isprintable()
        return
    assert isinstance(parameters, PARAMETERS[method])
