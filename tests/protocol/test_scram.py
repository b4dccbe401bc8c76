"""SCRAM against the vectors of RFC 7677, and against ``scramp`` in both directions."""

import base64
import secrets

import pytest
import scramp

from headless.errors import ProtocolError, Refused
from headless.protocol.scram import ClientExchange, ServerExchange, build_verifier, read_user

PASSWORD = b"$2b$12$abcdefghijklmnopqrstuuVd0ytI7MzxMxMmRZ2jEzPBlXMRJ4W8i"
BINDING = b"\x01" * 32

# RFC 7677, section 3
RFC_NONCE = "rOprNGfwEbeRWgbNEkqO"
RFC_SERVER_NONCE = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
RFC_SERVER_FIRST = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
RFC_CLIENT_FINAL = (
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
)
RFC_SERVER_FINAL = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_client_gives_the_messages_of_rfc_7677() -> None:
    client = ClientExchange("user", b"pencil", RFC_NONCE, binding=None)
    assert client.first() == f"n,,n=user,r={RFC_NONCE}"
    assert client.respond(RFC_SERVER_FIRST) == RFC_CLIENT_FINAL
    client.verify(RFC_SERVER_FINAL)


def test_server_gives_the_messages_of_rfc_7677() -> None:
    verifier = build_verifier(b"pencil", base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="))
    server = ServerExchange(verifier, RFC_SERVER_NONCE, binding=None)
    assert server.challenge(f"n,,n=user,r={RFC_NONCE}") == RFC_SERVER_FIRST
    assert server.finish(RFC_CLIENT_FINAL) == RFC_SERVER_FINAL


@pytest.mark.parametrize("binding", [None, BINDING])
def test_our_client_logs_in_to_scramp(binding: bytes | None) -> None:
    name = "SCRAM-SHA-256" if binding is None else "SCRAM-SHA-256-PLUS"
    channel = None if binding is None else ("tls-server-end-point", binding)
    mechanism = scramp.ScramMechanism(name)
    auth = mechanism.make_auth_info(PASSWORD.decode(), iteration_count=4096)
    server = mechanism.make_server(lambda user: auth, channel_binding=channel)
    client = ClientExchange("batch", PASSWORD, secrets.token_urlsafe(18), binding)
    server.set_client_first(client.first())
    server.set_client_final(client.respond(server.get_server_first()))
    client.verify(server.get_server_final())


@pytest.mark.parametrize("binding", [None, BINDING])
def test_scramp_logs_in_to_our_server(binding: bytes | None) -> None:
    name = "SCRAM-SHA-256" if binding is None else "SCRAM-SHA-256-PLUS"
    channel = None if binding is None else ("tls-server-end-point", binding)
    client = scramp.ScramClient([name], "batch", PASSWORD.decode(), channel_binding=channel)
    first = client.get_client_first()
    assert read_user(first) == "batch"
    server = ServerExchange(build_verifier(PASSWORD, b"salt" * 4), secrets.token_urlsafe(18), binding)
    client.set_server_first(server.challenge(first))
    client.set_server_final(server.finish(client.get_client_final()))


def joined(client: ClientExchange, server: ServerExchange) -> None:
    client.verify(server.finish(client.respond(server.challenge(client.first()))))


def test_a_wrong_secret_is_refused() -> None:
    server = ServerExchange(build_verifier(PASSWORD, b"s" * 16), "theirs", BINDING)
    with pytest.raises(Refused):
        joined(ClientExchange("batch", PASSWORD + b"x", "ours", BINDING), server)


def test_another_channel_is_refused_although_the_secret_is_right() -> None:
    server = ServerExchange(build_verifier(PASSWORD, b"s" * 16), "theirs", BINDING)
    with pytest.raises(Refused):
        joined(ClientExchange("batch", PASSWORD, "ours", b"\x02" * 32), server)


def test_leaving_the_binding_out_is_refused() -> None:
    server = ServerExchange(build_verifier(PASSWORD, b"s" * 16), "theirs", BINDING)
    with pytest.raises(ProtocolError, match="binding"):
        joined(ClientExchange("batch", PASSWORD, "ours", None), server)


def test_what_the_server_keeps_does_not_log_in() -> None:
    verifier = build_verifier(PASSWORD, b"s" * 16)
    for stolen in (verifier.stored_key, verifier.server_key, base64.b64encode(verifier.stored_key)):
        with pytest.raises(Refused):
            joined(ClientExchange("batch", stolen, "ours", BINDING), ServerExchange(verifier, "x", BINDING))


def test_a_server_without_the_verifier_is_found_out() -> None:
    client = ClientExchange("user", b"pencil", RFC_NONCE, binding=None)
    client.respond(RFC_SERVER_FIRST)
    with pytest.raises(Refused, match="not the one"):
        client.verify("v=" + base64.b64encode(b"\0" * 32).decode())
    with pytest.raises(Refused):
        ClientExchange("user", b"pencil", RFC_NONCE, binding=None).verify("v=")


@pytest.mark.parametrize(
    "server_first",
    [
        "",
        "r=other,s=c2FsdA==,i=4096",
        "r=ours,s=c2FsdA==,i=4096",
        "r=oursX,s=,i=4096",
        "r=oursX,s=?,i=4096",
        "r=oursX,s=c2FsdA==,i=4095",
        "r=oursX,s=c2FsdA==,i=99999999",
        "r=oursX,s=c2FsdA==,i=1000001",
        "r=oursX,s=c2FsdA==,i=abc",
        "r=oursX,s=c2FsdA==",
        "m=ext,r=oursX,s=c2FsdA==,i=4096",
        "r=ours\x7f,s=c2FsdA==,i=4096",
    ],
)
def test_a_malformed_challenge_is_a_protocol_error(server_first: str) -> None:
    with pytest.raises(ProtocolError):
        ClientExchange("user", PASSWORD, "ours", BINDING).respond(server_first)


@pytest.mark.parametrize("first", ["", "n", "n,,", "n,a=x,n=u,r=r", "z,,n=u,r=r", "n,,n=,r=r", "n,,n=a=2,r=r"])
def test_a_malformed_first_message_is_a_protocol_error(first: str) -> None:
    with pytest.raises(ProtocolError):
        read_user(first)


@pytest.mark.parametrize("final", ["", "c=biws", "c=biws,r=x,p=", "c=biws,r=x,p=AAAA", "p=biws,r=x,c=AA"])
def test_a_malformed_proof_is_a_protocol_error(final: str) -> None:
    server = ServerExchange(build_verifier(PASSWORD, b"s" * 16), "theirs", None)
    server.challenge("n,,n=user,r=ours")
    with pytest.raises(ProtocolError):
        server.finish(final)


def test_a_name_with_comma_and_equals_survives() -> None:
    assert read_user(ClientExchange("a,b=c", PASSWORD, "n", None).first()) == "a,b=c"
