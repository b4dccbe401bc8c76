"""SCRAM against the vectors (RFC 7677's first), and against ``scramp`` in both directions."""

import base64
import secrets
from typing import Any

import pytest
import scramp
from hypothesis import given
from hypothesis import strategies as st

from fuzzing import FUZZ, read_vectors
from headless.errors import ProtocolError, Refused
from headless.protocol.scram import ClientExchange, ServerExchange, build_verifier, read_user

PASSWORD = b"$2b$12$abcdefghijklmnopqrstuuVd0ytI7MzxMxMmRZ2jEzPBlXMRJ4W8i"
BINDING = b"\x01" * 32
KIND = "tls-server-end-point"

VECTORS = read_vectors("scram.json")
RFC = VECTORS[0]


def decode(text: str | None) -> bytes | None:
    """The bytes of a vector's field."""
    return None if text is None else base64.b64decode(text)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["client_first"][:40])
def test_client_gives_the_messages_of_the_vectors(vector: dict[str, Any]) -> None:
    binding = decode(vector["binding"])
    client = ClientExchange(vector["user"], vector["password"].encode(), vector["client_nonce"], binding)
    assert client.first() == vector["client_first"]
    assert client.respond(vector["server_first"]) == vector["client_final"]
    client.verify(vector["server_final"])


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["client_first"][:40])
def test_server_gives_the_messages_of_the_vectors(vector: dict[str, Any]) -> None:
    verifier = build_verifier(vector["password"].encode(), base64.b64decode(vector["salt"]), vector["iterations"])
    server = ServerExchange(verifier, vector["server_nonce"], decode(vector["binding"]))
    assert read_user(vector["client_first"]) == vector["user"]
    assert server.challenge(vector["client_first"]) == vector["server_first"]
    assert server.finish(vector["client_final"]) == vector["server_final"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["client_first"][:40])
def test_scramp_gives_the_messages_of_the_vectors(vector: dict[str, Any]) -> None:
    binding = decode(vector["binding"])
    name, channel = ("SCRAM-SHA-256", None) if binding is None else ("SCRAM-SHA-256-PLUS", (KIND, binding))
    mechanism = scramp.ScramMechanism(name)
    auth = mechanism.make_auth_info(vector["password"], vector["iterations"], base64.b64decode(vector["salt"]))
    server = mechanism.make_server(lambda user: auth, channel_binding=channel, s_nonce=vector["server_nonce"])
    client = scramp.ScramClient(
        [name], vector["user"], vector["password"], channel_binding=channel, c_nonce=vector["client_nonce"]
    )
    messages = []
    for says, hears in (
        (client.get_client_first, server.set_client_first),
        (server.get_server_first, client.set_server_first),
        (client.get_client_final, server.set_client_final),
        (server.get_server_final, client.set_server_final),
    ):
        messages.append(says())
        hears(messages[-1])
    assert messages == [vector[name] for name in ("client_first", "server_first", "client_final", "server_final")]


@pytest.mark.parametrize("binding", [None, BINDING])
def test_our_client_logs_in_to_scramp(binding: bytes | None) -> None:
    name = "SCRAM-SHA-256" if binding is None else "SCRAM-SHA-256-PLUS"
    channel = None if binding is None else (KIND, binding)
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
    channel = None if binding is None else (KIND, binding)
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
    client = ClientExchange("user", b"pencil", RFC["client_nonce"], binding=None)
    client.respond(RFC["server_first"])
    with pytest.raises(Refused, match="not the one"):
        client.verify("v=" + base64.b64encode(b"\0" * 32).decode())
    with pytest.raises(Refused):
        ClientExchange("user", b"pencil", RFC["client_nonce"], binding=None).verify("v=")


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


PIECES = [
    "n,,",
    "n=u",
    "r=",
    "r=ours",
    "s=c2FsdA==",
    "i=4096",
    "c=biws",
    "p=",
    ",",
    "=",
    "=2C",
    "v=",
    "p=" + "A" * 43 + "=",
]
TEXTS = st.text(max_size=40) | st.lists(st.sampled_from(PIECES), max_size=7).map(",".join)


@given(TEXTS, TEXTS)
@FUZZ
def test_any_texts_of_the_peer_are_refused_without_any_other_error(first: str, second: str) -> None:
    client = ClientExchange("user", PASSWORD, "ours", BINDING)
    server = ServerExchange(build_verifier(PASSWORD, b"s" * 16), "theirs", None)
    refused = 0
    for step in (
        lambda: client.respond(first), lambda: client.verify(second), lambda: read_user(first),
        lambda: server.challenge(first), lambda: server.finish(second),
    ):  # fmt: skip
        try:
            step()
        except (ProtocolError, Refused):
            refused += 1
    assert refused >= 2  # a signature and a proof are never guessed
