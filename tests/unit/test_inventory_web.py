"""The collector's face: its settings, its doors, its room, and who is believed to send."""

from pathlib import Path

import pytest

from headless.errors import ParameterError
from headless.inventory.ask.parameters import parse_parameters
from headless.inventory.collect.feeds import LOCAL
from headless.inventory.questions import QUESTIONS
from headless.inventory.web.limits import Admission, Doors, Networks, Room, Share
from headless.inventory.web.senders import read_token
from headless.inventory.web.settings import WebSettings, add_default_feed, read_serve_settings


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[serve]\nmax_connection = 1\n", "unknown setting 'max_connection' of 'serve': known are "),
        ("[serve]\nmax_connections = 'x'\n", "setting 'max_connections' of 'serve' is of a wrong type"),
        ("[serve]\nmax_connections = true\n", "setting 'max_connections' of 'serve' is of a wrong type"),
        ("[serve]\nmax_connections = 0\n", "is more than 0"),
        ("[serve]\nhead_s = -1\n", "is more than 0"),
        ("[serve]\nproxies = ['x']\n", "'proxies': 'x' does not appear to be"),
        ("[serve]\nproxies = 'x'\n", "setting 'proxies' of 'serve' is of a wrong type"),
        ("[serve]\ntls_cert = 1\n", "setting 'tls_cert' of 'serve' is of a wrong type"),
        ("[serve]\nvex = ['x']\n", "'vex' says what of 'advisories' does not count, and there are none"),
        ("[serve]\nclient_ca = 'x'\n", "give --tls-cert"),
        ("listen = 'x'\n", "unknown setting 'listen': known are "),
        ("serve = 1\n", "'serve' must be a table"),
    ],
)
def test_settings_that_cannot_be(tmp_path: Path, text: str, line: str) -> None:
    file = tmp_path / "collector.toml"
    file.write_text(text)
    with pytest.raises(ParameterError, match=line):
        read_serve_settings(str(file), str(tmp_path), {})


def test_options_win_and_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    file = tmp_path / "collector.toml"
    file.write_text("[serve]\nlisten = 'a:1'\ntls_cert = 'c.pem'\ntls_key = '/k.pem'\nhead_s = 3\n")
    collector, web = read_serve_settings(str(file), str(tmp_path / "state"), {"listen": "b:2", "tls_cert": ""})
    assert web == WebSettings(listen="b:2", tls_cert=str(tmp_path / "c.pem"), tls_key="/k.pem", head_s=3)
    assert collector.state == str(tmp_path / "state")


def test_the_feed_of_a_collector_without_feeds(tmp_path: Path) -> None:
    collector, _ = read_serve_settings("", str(tmp_path), {})
    assert add_default_feed(collector, ()).feeds["feed"].networks == ("127.0.0.0/8", "::1/128")
    assert add_default_feed(collector, ("10.0.0.0/8",)).feeds["feed"].networks == ("10.0.0.0/8",)
    with pytest.raises(ParameterError, match="--allow: 'x' does not appear"):
        add_default_feed(collector, ("x",))
    file = tmp_path / "collector.toml"
    file.write_text("[feeds.mine]\n")
    collector, _ = read_serve_settings(str(file), str(tmp_path), {})
    assert set(add_default_feed(collector, ()).feeds) == {"mine", LOCAL}
    with pytest.raises(ParameterError, match="--allow is for a collector without feeds"):
        add_default_feed(collector, ("10.0.0.0/8",))


class Visitor:
    """Somebody at the door."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.checked = 0.0

    def check(self, now: float) -> None:
        """Note the time."""
        self.checked = now


def test_doors() -> None:
    doors = Doors(4, 2, Networks(["192.0.2.0/24"]))
    one = [Visitor("198.51.100.1") for _ in range(3)]
    assert [doors.enter(visitor) for visitor in one] == [Admission.IN, Admission.IN, Admission.LATER]
    doors.leave(one[0])
    doors.leave(one[2])
    assert doors.enter(one[0]) is Admission.IN
    proxied = [Visitor("192.0.2.1") for _ in range(15)]
    admissions = [doors.enter(visitor) for visitor in proxied]
    assert admissions == [Admission.IN] * 2 + [Admission.LATER] * 12 + [Admission.SHUT]
    doors.check(7.0)
    assert {visitor.checked for visitor in proxied} == {7.0}
    for visitor in (*one[:2], *proxied):
        doors.leave(visitor)
    assert [doors.enter(Visitor("")) for _ in range(5)] == [Admission.IN] * 4 + [Admission.LATER]


def test_room() -> None:
    room = Room(10)
    with Share(room) as share:
        assert share.grow(6)
        with Share(room) as other:
            assert other.grow(4)
            assert not other.grow(1)
        assert share.grow(4)
        assert not room.take(1)
    assert room.take(10)


def test_networks() -> None:
    networks = Networks(["127.0.0.0/8", "2001:db8::/32"])
    assert "127.1.2.3" in networks
    assert "::ffff:127.1.2.3" in networks
    assert "2001:db8::1" in networks
    assert "" in Networks(["unix"])
    assert not any(address in networks for address in ("", "128.0.0.1", "name", "127.0.0.1, 1.2.3.4", "2001:db9::1"))


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer abc", "abc"),
        ("bearer  abc ", "abc"),
        ("Basic YW55OmFiYw==", "abc"),
        ("Basic YW55OmE6Yg==", "a:b"),
        ("Basic YW55", ""),
        ("Basic !", ""),
        ("Basic /w==", ""),
        ("Digest abc", ""),
        ("", ""),
    ],
)
def test_tokens(header: str, token: str) -> None:
    assert read_token(header) == token


def test_a_day_is_its_end_and_since_a_day_its_beginning() -> None:
    assert parse_parameters(QUESTIONS["hosts"], [("at", "1970-01-02"), ("seen_since", "1970-01-02")])[0] == {
        "at": 2 * 86400 - 1, "seen_since": 86400,
    }  # fmt: skip
    assert parse_parameters(QUESTIONS["silent"], [("since", "1970-01-02")])[0] == {"since": 86400}
