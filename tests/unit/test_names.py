"""Calls by the names of alien.py's programs."""

import pytest

from headless.cli.names import expand_name


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("/usr/bin/headless", ("-x",)),
        ("/home/u/bin/alien_cp", ("grid", "cp", "-x")),
        ("alien_pfn-status", ("grid", "pfn-status", "-x")),
        ("alien-token-init", ("grid", "token-init", "-x")),
        ("alien.py", ("grid", "-x")),
        ("bin/alien_cmd", ("grid", "-x")),
        ("/alien_cp/headless", ("-x",)),
        ("aliens", ("-x",)),
        ("alien_", ("-x",)),
    ],
)
def test_a_name_is_a_command(program: str, words: tuple[str, ...]) -> None:
    assert expand_name(program, ["-x"]) == words
