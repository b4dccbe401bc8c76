"""The exit codes, a public contract: the error classes, the document, the help and the README say the same."""

import importlib
import pkgutil
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import headless
from headless import errors
from headless.cli.launch import launch
from headless.errors import HeadlessError
from headless.grid.messages import GridError

ROOT = Path(__file__).resolve().parents[2]

# design.md, section 3. Written once more, by hand: 0 to 3 are the field's, and none of them ever changes.
CODES = {
    "HeadlessError": 70,
    "ConnectionFailed": 1,
    "ProtocolError": 1,
    "Unavailable": 1,
    "Untrusted": 1,
    "ParameterError": 2,
    "Held": 2,
    "TimedOut": 3,
    "JobFailed": 4,
    "Refused": 5,
    "Skipped": 6,
    "JobStopped": 7,
    "OutcomeUnknown": 8,
}
WITHOUT_CLASS = {"0", "128+N"}
# Never leave the server, which makes an outcome or a line of the log of them; if they did, that were a bug.
INTERNAL = {"CannotStart", "Undelivered"}


def walk(cls: type[HeadlessError]) -> list[type[HeadlessError]]:
    """A class and all below it."""
    return [cls, *(below for child in cls.__subclasses__() for below in walk(child))]


def public_classes() -> list[type[HeadlessError]]:
    """The error classes that a command may end with."""
    return [cls for cls in walk(HeadlessError) if cls.__module__ == errors.__name__]


def all_classes() -> list[type[HeadlessError]]:
    """Every error class, wherever in the package it is defined."""
    for module in pkgutil.walk_packages(headless.__path__, "headless."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    return walk(HeadlessError)


def meaning(cls: type[HeadlessError]) -> str:
    """The first line of a class's docstring."""
    return (cls.__doc__ or "").partition("\n")[0]


def meanings() -> dict[str, str]:
    """What each code means by the classes."""
    return {str(cls.exit_code): meaning(cls) for cls in public_classes()}


def read_table(path: Path) -> dict[str, str]:
    """The rows ``| code | meaning |`` of a document."""
    rows = re.findall(r"(?m)^\| (\d[\d+N]*) \| (.+) \|$", path.read_text(encoding="utf-8"))
    assert len(rows) == len(dict(rows)), "a code has two rows"
    return dict(rows)


def read_help() -> dict[str, str]:
    """The exit status list that ``headless --help`` prints."""
    shown = CliRunner().invoke(launch, ["--help"], terminal_width=200)
    assert shown.exit_code == 0
    section = shown.output.partition("Exit status:\n")[2].partition("\n\n")[0]
    return dict(re.findall(r"(?m)^ +(\d[\d+N]*) +(\S.*)$", section))


def test_every_error_class_has_the_code_of_the_contract() -> None:
    assert {cls.__name__: cls.exit_code for cls in public_classes()} == CODES
    others = {cls for cls in all_classes() if cls not in public_classes()} - set(walk(GridError))  # they carry errnos
    assert {cls.__name__ for cls in others} == INTERNAL
    assert {cls.exit_code for cls in others} == {70}


def test_every_error_class_is_public_and_drawn_in_the_tree() -> None:
    assert sorted(errors.__all__) == sorted(CODES)
    for name, code in CODES.items():
        assert re.search(rf"{name} +{code}  ", errors.__doc__ or ""), name


@pytest.mark.parametrize("cls", public_classes(), ids=lambda cls: cls.__name__)
def test_a_code_has_one_meaning_and_a_meaning_one_code(cls: type[HeadlessError]) -> None:
    assert meaning(cls)
    for other in public_classes():
        assert (cls.exit_code == other.exit_code) == (meaning(cls) == meaning(other))


def test_the_document_has_the_same_table() -> None:
    documented = read_table(ROOT / "docs" / "exit-codes.md")
    assert set(documented) == set(meanings()) | WITHOUT_CLASS
    assert {code: documented[code] for code in meanings()} == meanings()


def test_the_readme_has_the_documents_table_shortened_at_most() -> None:
    documented, shown = read_table(ROOT / "docs" / "exit-codes.md"), read_table(ROOT / "README.md")
    assert set(shown) == set(documented)
    for code in set(shown) - {"0"}:
        assert documented[code].startswith(shown[code])


def test_the_help_has_the_documents_table_shortened_at_most() -> None:
    documented, shown = read_table(ROOT / "docs" / "exit-codes.md"), read_help()
    assert set(shown) == set(documented)
    assert shown["0"].startswith("the job ended well")
    for code in set(shown) - {"0"}:
        assert documented[code].startswith(shown[code])
