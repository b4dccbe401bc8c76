"""Groups of commands: who names none, or one that is none, is told in one line which there are."""

import pytest

from headless.cli.main import main

GROUPS = ["audit", "grid pki", "grid storage", "inventory", "inventory token", "jobs", "schedule", "server", "user"]


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_alone_says_which_commands_there_are(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(group.split()) == 2
    said = capsys.readouterr().err
    assert said.startswith("headless: which command? Known are ")
    assert said.endswith(f": see 'headless {group} --help'\n")
    assert said.count("\n") == 1


def test_one_that_is_none_is_told_which_may_be_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["jobs", "lst"]) == 2
    assert capsys.readouterr().err == "headless: unknown command 'lst': did you mean 'headless jobs list'?\n"
