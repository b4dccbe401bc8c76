"""Where control groups for jobs can be made: by what the kernel says of the mounts and of the server's own group."""

from pathlib import Path

import pytest

from headless.execution import cgroup
from headless.execution.cgroup import find_base

LINE = "41 31 0:38 {root} {place} rw,relatime shared:7 master:2 - {kind} cgroup2 rw\n"


@pytest.mark.parametrize(
    ("own", "root", "place", "kind", "found"),
    [
        ("/", "/", "/c", "cgroup2", "/c"),
        ("/init.scope", "/", "/c/unified", "cgroup2", "/c/unified/init.scope"),
        ("/a.slice/b.service", "/", "/c", "cgroup2", "/c/a.slice/b.service"),
        ("/box/inner", "/box", "/c", "cgroup2", "/c/inner"),
        ("/box", "/box", "/c", "cgroup2", "/c"),
        ("/boxer", "/box", "/c", "cgroup2", ""),  # another group, mounted by its name only
        ("/../out", "/", "/c", "cgroup2", ""),  # outside of this namespace
        ("/a", "/", "/with\\040blank", "cgroup2", "/with blank/a"),
        ("/a", "/", "/c", "cgroup", ""),  # version 1
        ("/a", "/", "/c", "tmpfs", ""),
    ],
)
def test_the_servers_own_group_is_found_in_the_mounts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str, root: str, place: str, kind: str, found: str
) -> None:
    monkeypatch.setattr(cgroup, "_is_usable", lambda path: True)  # the real one is tried by the tests of engines
    (tmp_path / "cgroup").write_text(f"2:cpu:/other\n0::{own}\n")
    other = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
    (tmp_path / "mountinfo").write_text(other + LINE.format(root=root, place=place, kind=kind))
    assert find_base(membership=str(tmp_path / "cgroup"), mounts=str(tmp_path / "mountinfo")) == found


@pytest.mark.parametrize("text", ["", "1:name=systemd:/\n", "0::/\n"], ids=["empty", "version 1", "no mount"])
def test_without_one_there_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "cgroup").write_text(text)
    (tmp_path / "mountinfo").write_text("")
    assert find_base(membership=str(tmp_path / "cgroup"), mounts=str(tmp_path / "mountinfo")) == ""
    assert find_base(membership=str(tmp_path / "gone"), mounts=str(tmp_path / "gone")) == ""


def test_a_folder_that_is_no_group_is_not_used_and_nothing_stays_in_it(tmp_path: Path) -> None:
    (tmp_path / "cgroup").write_text("0::/\n")
    (tmp_path / "mountinfo").write_text(LINE.format(root="/", place=tmp_path, kind="cgroup2"))
    before = sorted(tmp_path.iterdir())
    assert find_base(membership=str(tmp_path / "cgroup"), mounts=str(tmp_path / "mountinfo")) == ""
    assert sorted(tmp_path.iterdir()) == before


def test_only_a_service_s_own_group_is_taken_unasked(tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_text("1 1 0:1 / / rw - cgroup2 cgroup2 rw\n")
    (tmp_path / "cgroup").write_text("0::/init.scope\n")
    places = {"membership": str(tmp_path / "cgroup"), "mounts": str(tmp_path / "mountinfo")}
    assert find_base(of_unit=True, **places) == ""
