"""The three forms of an address, and in which words everything else is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzzing import FUZZ
from headless.errors import ParameterError
from headless.transport.address import Address, TcpAddress, UnixAddress, parse_address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost:7443", TcpAddress("localhost", 7443)),
        ("127.0.0.1:1", TcpAddress("127.0.0.1", 1)),
        ("server.example.com:65535", TcpAddress("server.example.com", 65535)),
        ("[::1]:7443", TcpAddress("::1", 7443)),
        ("[fe80::1%eth0]:7443", TcpAddress("fe80::1%eth0", 7443)),
        ("bücher.example:7443", TcpAddress("bücher.example", 7443)),
        ("unix:/run/headless.sock", UnixAddress("/run/headless.sock")),
        ("unix:/" + "x" * 106, UnixAddress("/" + "x" * 106)),
        ("unix:/run/a b:c", UnixAddress("/run/a b:c")),
    ],
)
def test_a_good_address_is_read_and_printed_as_it_was_given(text: str, expected: Address) -> None:
    assert parse_address(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no port: give HOST:PORT, [IPv6]:PORT or unix:/path"),
        ("localhost", "has no port"),
        (":7443", "has no port"),
        ("::1", "has no port"),
        ("::1:7443", "has no port"),
        ("https://server:7443", "has no port"),
        ("localhost:", "has a bad port: give a number from 1 to 65535"),
        ("localhost:0", "has a bad port"),
        ("localhost:65536", "has a bad port"),
        ("localhost:-1", "has a bad port"),
        ("localhost:+1", "has a bad port"),
        ("localhost:7443/x", "has a bad port"),
        ("localhost:٣", "has a bad port"),
        ("localhost:²", "has a bad port"),
        ("localhost:" + "9" * 5000, "has a bad port"),
        ("a b:7443", "has a bad host"),
        ("user@host:7443", "has a bad host"),
        ("[]:7443", "has a bad host"),
        ("[::1:7443", "has a bad host"),
        ("host\n:7443", "has a bad host"),
        ("host\r\nX-Header:7443", "has a bad host"),
        ("\udcff:7443", "has a bad host"),
        ("unix:", "is not an absolute path: give unix:/path"),
        ("unix:run/x.sock", "is not an absolute path"),
        ("unix:/a\0b", "is not an absolute path"),
        ("unix:/" + "x" * 107, "at most 107 bytes"),
        ("unix:/" + "ü" * 54, "has 109"),
        ("unix:/" + "\udcff" * 107, "has 108"),
    ],
)
def test_a_bad_address_is_refused_in_one_line_that_says_what_to_give(text: str, message: str) -> None:
    with pytest.raises(ParameterError) as caught:
        parse_address(text)
    assert message in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_path_that_is_not_utf_8_is_taken_as_the_system_gives_it() -> None:
    assert parse_address("unix:/run/\udcff") == UnixAddress("/run/\udcff")


@given(st.text(st.characters(codec=None)) | st.text(alphabet="unix:/[]1%.@ ", max_size=12))
@FUZZ
def test_any_text_is_an_address_or_a_parameter_error(text: str) -> None:
    try:
        address = parse_address(text)
    except ParameterError as exc:
        assert str(exc).isprintable()
        return
    assert parse_address(str(address)) == address
