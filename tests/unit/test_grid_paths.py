"""LFNs as text: where they lead, and what is refused."""

import pytest

from headless.grid.messages import GridError
from headless.grid.serve.call import Session, User
from headless.grid.serve.paths import list_ancestors, resolve, split

SESSION = Session(User("t", ("t",), "/grid/user/t/t", False), "t", "/grid/user/t/t/deep", "CN=t", 0.0, "here")


@pytest.mark.parametrize(("text", "path"), [
    ("a", "/grid/user/t/t/deep/a"),
    (".", "/grid/user/t/t/deep"),
    ("../x/", "/grid/user/t/t/x"),
    ("/", "/"),
    ("//", "/"),
    ("//a//b/", "/a/b"),
    ("/../../a", "/a"),
    ("../../../../../../..", "/"),
    ("~", "/grid/user/t/t"),
    ("~/a b", "/grid/user/t/t/a b"),
    ("~other", "/grid/user/t/t/deep/~other"),
    ("'; drop table x; --", "/grid/user/t/t/deep/'; drop table x; --"),
    ("ünï ☃", "/grid/user/t/t/deep/ünï ☃"),
])  # fmt: skip
def test_paths(text: str, path: str) -> None:
    assert resolve(SESSION, text) == path


@pytest.mark.parametrize(("text", "code"), [
    ("", 22), ("a\0b", 22), ("a\nb", 22), ("a\x7f", 22), ("a\x1b[2J", 22), ("\ud800", 22),
    ("x" * 256, 36), ("é" * 128, 36), ("a/" * 2000 + "a", 36), ("x" * 4096, 36),
])  # fmt: skip
def test_what_is_refused(text: str, code: int) -> None:
    with pytest.raises(GridError) as raised:
        resolve(SESSION, text)
    assert raised.value.exit_code == code
    assert len(str(raised.value)) < 300


def test_parts() -> None:
    assert (split("/a/b"), split("/a"), split("/")) == (("/a", "b"), ("/", "a"), ("", ""))
    assert list(list_ancestors("/a/b/c")) == ["/", "/a", "/a/b"]
    assert list(list_ancestors("/")) == []
