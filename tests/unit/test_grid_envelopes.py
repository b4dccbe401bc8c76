"""Macaroons and access envelopes: what is genuine, what is not; and what users say about storages."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headless.grid.messages import GridError
from headless.grid.serve.envelopes import READ, WRITE, Envelopes
from headless.grid.serve.macaroon import build_macaroon, is_genuine, parse_macaroon
from headless.grid.serve.placing import choose_sources, choose_targets, parse_wish
from headless.grid.serve.stores import Store

KEY = b"k" * 32
# The tutorial of libmacaroons' README: its key, location, identifier and signature.
TUTORIAL_KEY = b"this is our super secret key; only we should know it"
TUTORIAL = (
    "http://mybank/",
    "we used our secret key",
    "e3d9e02908526c4c0039ae15114115d97fdd68bf2ba379b342aaf0f617d0552f",
)


def test_the_published_example() -> None:
    location, identifier, signature = TUTORIAL
    parsed = parse_macaroon(build_macaroon(TUTORIAL_KEY, location, identifier, []))
    assert (parsed.location, parsed.identifier, parsed.signature.hex()) == (location, identifier, signature)


@given(st.text(max_size=50), st.lists(st.text(max_size=50), max_size=5))
def test_what_is_built_is_read_and_genuine(identifier: str, caveats: list[str]) -> None:
    parsed = parse_macaroon(build_macaroon(KEY, "here", identifier, caveats))
    assert (parsed.location, parsed.identifier, parsed.caveats) == ("here", identifier, tuple(caveats))
    assert is_genuine(parsed, KEY)
    assert not is_genuine(parsed, b"other" * 7)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_macaroon_or_a_value_error(data: bytes) -> None:
    try:
        parse_macaroon(base64.urlsafe_b64encode(data).decode())
    except ValueError:
        return


@given(st.text(max_size=200))
def test_any_text_is_an_envelope_or_refused(text: str) -> None:
    with pytest.raises(GridError):
        Envelopes(KEY).check(text, "UPLOAD", "A::B::C")


@given(st.integers(0, 400), st.integers(1, 255))
def test_no_changed_byte_of_an_envelope_is_overlooked(place: int, change: int) -> None:
    text = Envelopes(KEY).build("A::B::C", "/01/file", "tester", WRITE, 60)
    raw = bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    start = raw.index(b"identifier")  # the location in front is not signed: which key is used follows from it
    place = start + place % (len(raw) - start)
    raw[place] ^= change
    with pytest.raises(GridError):
        Envelopes(KEY).check(base64.urlsafe_b64encode(bytes(raw)).decode(), "UPLOAD", "A::B::C")


def test_an_envelope_says_what_it_is_for() -> None:
    envelopes = Envelopes(KEY)
    claim = envelopes.check(envelopes.build("A::B::C", "/01/file", "tester", WRITE, 60, "b1"), "UPLOAD", "A::B::C")
    assert (claim.booking, claim.user, claim.path) == ("b1", "tester", "/01/file")


@pytest.mark.parametrize(
    ("storage", "activities", "lifetime_s", "reason"),
    [
        ("A::B::D", WRITE, 60, "not made by this grid for A::B::D"),
        ("A::B::C", READ, 60, "is not for UPLOAD"),
        ("A::B::C", WRITE, -1, "has expired"),
    ],
)
def test_what_an_envelope_does_not_allow(
    storage: str, activities: tuple[str, ...], lifetime_s: float, reason: str
) -> None:
    envelopes = Envelopes(KEY)
    text = envelopes.build("A::B::C", "/01/file", "tester", activities, lifetime_s)
    with pytest.raises(GridError, match=reason):
        envelopes.check(text, "UPLOAD", storage)


def test_whoever_narrows_an_envelope_cannot_widen_it() -> None:
    envelopes = Envelopes(KEY)
    caveats = ["name:a", "activity:DOWNLOAD", "path:/x", "before:2999-01-01T00:00:00Z", "activity:UPLOAD"]
    text = build_macaroon(envelopes.derive_key("A::B::C"), "A::B::C", "id", caveats)
    with pytest.raises(GridError, match="is not for UPLOAD"):
        envelopes.check(text, "UPLOAD", "A::B::C")


STORES = [
    Store("V::NEAR::ONE", 1, "root://a", ("disk",)),
    Store("V::FAR::TWO", 2, "root://b", ("disk",)),
    Store("V::FAR::TAPE", 3, "root://c", ("tape",)),
]


@pytest.mark.parametrize(
    ("wish", "names"),
    [
        ("disk:1", ["V::NEAR::ONE"]),
        ("", ["V::NEAR::ONE", "V::FAR::TWO"]),
        ("tape:1,disk:1", ["V::FAR::TAPE", "V::NEAR::ONE"]),
        ("V::FAR::TWO,disk:1", ["V::FAR::TWO", "V::NEAR::ONE"]),
        ("v::far::two", ["V::FAR::TWO"]),
        ("disk:2,!V::NEAR::ONE", ["V::FAR::TWO"]),
        ("V::NO::SUCH", []),
        ("disk:0", []),
    ],
)
def test_targets(wish: str, names: list[str]) -> None:
    assert [store.name for store in choose_targets(STORES, parse_wish(wish), "near")] == names


@pytest.mark.parametrize(
    ("wish", "is_strict", "names"),
    [
        ("", False, ["V::NEAR::ONE", "V::FAR::TWO"]),
        ("V::FAR::TWO", False, ["V::FAR::TWO", "V::NEAR::ONE"]),
        ("V::FAR::TWO", True, ["V::FAR::TWO"]),
        ("!V::FAR::TWO", False, ["V::NEAR::ONE"]),
    ],
)
def test_sources(wish: str, is_strict: bool, names: list[str]) -> None:
    found = choose_sources(STORES[:2], parse_wish(wish), "NEAR", is_strict=is_strict)
    assert [store.name for store in found] == names


@pytest.mark.parametrize("wish", ["disk", "disk:-1", "disk:x", "a b:1", "disk:21", "disk:1000"])
def test_wishes_that_are_none(wish: str) -> None:
    with pytest.raises(GridError):
        parse_wish(wish)
