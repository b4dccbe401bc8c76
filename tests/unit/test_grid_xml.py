"""XML collections of strangers."""

import pytest

from headless.grid.serve.xml import XML_END, XML_START, parse_collection


def test_what_was_written_is_read() -> None:
    event = '<event name="1"><file lfn="/a b&amp;&quot;" size="3" guid="g"/></event>'
    assert parse_collection(f"{XML_START}{event}{XML_END}".encode()) == [{"lfn": '/a b&"', "size": "3", "guid": "g"}]
    assert parse_collection((XML_START + XML_END).encode()) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no element"),
        ("plain text", "syntax error"),
        ("<html/>", "no element 'collection'"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><collection>&b;</collection>', "document type"),
        ("<collection>", "no element found"),
        ("<collection>\x00</collection>", "invalid token"),
    ],
)
def test_what_is_none_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_collection(text.encode())
