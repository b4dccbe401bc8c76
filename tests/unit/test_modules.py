"""Module folders: the first that has a name wins, and what everybody could change is nobody's module."""

from pathlib import Path

import pytest

from headless.errors import ParameterError, Refused
from headless.server.modules import Modules


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    made = [tmp_path / "first", tmp_path / "second"]
    for folder in made:
        folder.mkdir(mode=0o755)
    return made


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_text("pass\n")


def everybody(_: str) -> bool:
    return True


def test_the_first_folder_that_has_a_name_wins(folders: list[Path]) -> None:
    put(folders[0], "report.py")
    put(folders[1], "report.py", "other.py")
    modules = Modules([str(folder) for folder in folders])
    assert modules.find("report", everybody) == str(folders[0] / "report.py")
    assert modules.find("other", everybody) == str(folders[1] / "other.py")
    assert modules.list_names() == ["other", "report"]


@pytest.mark.parametrize("name", ["nightly-report", "nightly_report"])
@pytest.mark.parametrize("file", ["nightly-report.py", "nightly_report.py"])
def test_dash_and_underscore_are_the_same(folders: list[Path], name: str, file: str) -> None:
    put(folders[0], file)
    assert Modules([str(folders[0])]).find(name, everybody) == str(folders[0] / file)


@pytest.mark.parametrize(
    "name",
    ["../first/report", "/etc/passwd", "", ".hidden", "_private", "__init__", "report.py", "re port", "x" * 200, "a\0"],
)
def test_no_name_leads_out_of_the_folders(folders: list[Path], name: str) -> None:
    put(folders[0], "report.py", "_private.py", "__init__.py", ".hidden.py")
    with pytest.raises(ParameterError, match="unknown module"):
        Modules([str(folders[1]), str(folders[0])]).find(name, everybody)


def test_a_new_file_is_a_module_at_once_and_a_removed_one_is_none(folders: list[Path]) -> None:
    modules = Modules([str(folders[0])])
    with pytest.raises(ParameterError):
        modules.find("late", everybody)
    put(folders[0], "late.py")
    assert modules.find("late", everybody)
    (folders[0] / "late.py").unlink()
    with pytest.raises(ParameterError, match="unknown module 'late'"):
        modules.find("late", everybody)


def test_the_nearest_names_are_told_but_only_those_that_the_asker_may_run(folders: list[Path]) -> None:
    put(folders[0], "nightly_report.py", "nightly_repair.py")
    modules = Modules([str(folders[0])])
    with pytest.raises(ParameterError, match="did you mean nightly-report or nightly-repair"):
        modules.find("nightly-repo", everybody)
    with pytest.raises(ParameterError) as caught:
        modules.find("nightly-repo", lambda name: name == "nightly-repair")
    assert "nightly-report" not in str(caught.value)


@pytest.mark.parametrize("folder_mode", [0o777, 0o1777])
def test_a_module_in_a_folder_where_everybody_may_put_one_is_refused(folders: list[Path], folder_mode: int) -> None:
    put(folders[0], "report.py")
    folders[0].chmod(folder_mode)
    with pytest.raises(Refused, match=f"chmod o-w {folders[0]}"):
        Modules([str(folders[0])]).find("report", everybody)


def test_a_module_that_everybody_may_write_is_refused(folders: list[Path]) -> None:
    put(folders[0], "report.py")
    (folders[0] / "report.py").chmod(0o666)
    with pytest.raises(Refused, match=r"chmod o-w .*report\.py"):
        Modules([str(folders[0])]).find("report", everybody)


def test_a_folder_and_a_link_to_nowhere_are_no_modules(folders: list[Path]) -> None:
    (folders[0] / "folder.py").mkdir()
    (folders[0] / "link.py").symlink_to(folders[0] / "gone")
    modules = Modules([str(folders[0])])
    for name in ("folder", "link"):
        with pytest.raises(ParameterError, match="unknown module"):
            modules.find(name, everybody)


def test_a_folder_that_is_gone_hides_no_other(folders: list[Path]) -> None:
    put(folders[1], "report.py")
    folders[0].rmdir()
    modules = Modules([str(folder) for folder in folders])
    assert modules.find("report", everybody)
    assert modules.list_names() == ["report"]
