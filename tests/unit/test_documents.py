"""The documents say what the program does: the manual page, the tables, the links, the settings."""

import re
from dataclasses import fields
from pathlib import Path

import click
import pytest

from headless.cli.commands import load_command
from headless.cli.launch import launch
from headless.cli.main import COMMANDS
from headless.cli.manual import build_manual
from headless.server.settings import ServerSettings

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("jobs/*.md"), *ROOT.glob("contrib/*/*.md")])


def test_the_manual_page_is_the_one_that_the_options_make() -> None:
    assert (ROOT / "docs/headless.1").read_text() == build_manual(), "run 'make docs'"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_to_a_file_leads_to_one(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text())
    missing = [link for link in links if "://" not in link and not (document.parent / link).exists()]
    assert missing == []


def test_readme_and_exit_codes_hold_the_same_table() -> None:
    tables = [
        re.findall(r"^\| (\d\S*) \| ", (ROOT / name).read_text(), re.MULTILINE)
        for name in ("README.md", "docs/exit-codes.md")
    ]
    assert tables[0] == tables[1] == ["0", "1", "2", "3", "4", "5", "6", "7", "8", "70", "128+N"]


def test_the_launchers_help_names_every_command() -> None:
    named = re.findall(r"^  ([a-z]+)  ", (launch.epilog or "").partition("Commands")[2], re.MULTILINE)
    assert sorted(named) == sorted(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_its_exit_status(name: str) -> None:
    command = load_command(name)
    assert "Exit status" in f"{command.help} {command.epilog}"


def test_every_setting_of_the_server_is_an_option() -> None:
    options = {parameter.name for parameter in load_command("serve").params}
    assert {item.name for item in fields(ServerSettings)} <= options


def test_no_document_names_an_option_that_is_not_there() -> None:
    known = {name for command in [launch, *map(load_command, COMMANDS)] for name in _options(command)}
    text = (ROOT / "README.md").read_text()
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))
    assert named - known <= {"--days", "--report"}  # the module tidy's own, and of cp


def _options(command: click.Command | None) -> set[str]:
    names = {name for parameter in command.params for name in parameter.opts} if command else set()
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            names |= _options(command.get_command(context, name))
    return names
