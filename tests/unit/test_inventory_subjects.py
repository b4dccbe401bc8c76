"""Subjects of certificates in the two forms that people have them in."""

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from headless.errors import ParameterError
from headless.inventory.collect.access import Access
from headless.inventory.collect.feeds import parse_feed
from headless.inventory.subjects import read_subject


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("CN=a, b", "CN=a, b"),
        ("CN=reporter,O=Site A,DC=ch", "CN=reporter,O=Site A,DC=ch"),
        ("/DC=ch/DC=cern/O=Site A/CN=reporter", "CN=reporter,O=Site A,DC=cern,DC=ch"),
        ("/C=CH/CN=host/node.example.org", "CN=host/node.example.org,C=CH"),
        ("/O=A, B/CN=x+y", r"CN=x\+y,O=A\, B"),
        ("/O=A/emailAddress=a@b", "1.2.840.113549.1.9.1=a@b,O=A"),
        ("/2.5.4.5=7/CN=a", "CN=a,2.5.4.5=7"),
    ],
)
def test_both_forms(text: str, subject: str) -> None:
    assert read_subject(text) == subject


def test_the_slash_form_is_that_of_the_certificate() -> None:
    kinds = (NameOID.DOMAIN_COMPONENT, NameOID.DOMAIN_COMPONENT, NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.COMMON_NAME)
    name = x509.Name(list(map(x509.NameAttribute, kinds, ("ch", "cern", "Grid", "Anna Author"))))
    assert read_subject("/DC=ch/DC=cern/OU=Grid/CN=Anna Author") == name.rfc4514_string()


@pytest.mark.parametrize("text", ["", "anna", "/", "/anna", "/XY=z", "/C=Switzerland", "/CN="])
def test_what_is_neither(text: str) -> None:
    with pytest.raises(ParameterError, match=r"-nameopt RFC2253"):
        read_subject(text)


def test_settings_and_grants_take_both(tmp_path: Path) -> None:
    feed = parse_feed("f", {"subjects": ["/DC=ch/CN=a", "CN=b"]})
    assert feed.subjects == ("CN=a,DC=ch", "CN=b")
    with pytest.raises(ParameterError, match="feed 'f'"):
        parse_feed("f", {"subjects": ["anna"]})
    access = Access(f"{tmp_path}/access.json")
    access.add("a", "reader", ("S",), "/DC=ch/CN=a")
    assert access.find_subject("CN=a,DC=ch").name == "a"
