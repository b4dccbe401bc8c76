"""A time limit for what cannot be interrupted."""

import errno
import os
import threading
from pathlib import Path

import pytest

from headless.grid.copy import limit
from headless.grid.copy.local import name_descriptor
from headless.grid.messages import GridError
from support import TIME_SCALE


def test_what_takes_too_long_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limit, "GRACE_S", -0.9)
    release, ended = threading.Event(), threading.Event()

    def hang() -> None:
        release.wait(30 * TIME_SCALE)
        ended.set()

    with pytest.raises(GridError) as caught:
        limit.run_within(1, hang)
    assert (caught.value.exit_code, ended.is_set()) == (errno.ETIMEDOUT, False)
    release.set()
    assert ended.wait(30 * TIME_SCALE)


@pytest.mark.parametrize("limit_s", [0, 60])
def test_what_is_in_time_returns_and_raises_as_it_does(limit_s: int) -> None:
    assert limit.run_within(limit_s, lambda: None) is None
    with pytest.raises(ZeroDivisionError):
        limit.run_within(limit_s, lambda: 1 // 0)


def test_a_descriptor_stays_good_when_its_number_is_given_to_another_file(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    first = os.open(tmp_path / "one", os.O_RDONLY)
    with limit.keep_open(name_descriptor(first)) as kept:
        other = os.open(tmp_path / "two", os.O_RDONLY)
        os.dup2(other, first)
        os.close(other)
        assert Path(kept).read_text() == "one"
    os.close(first)
    assert not os.path.exists(kept)
    with limit.keep_open("root://host//x") as kept:
        assert kept == "root://host//x"
