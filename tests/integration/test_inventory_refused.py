"""What is kept of the letters: of what was refused, and in files of before."""

import logging
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from headless.inventory.collect.kept import Fate, Kept
from headless.inventory.text import write_text
from inventory_collecting import Desk, make_desk
from inventory_identities import make_holder
from inventory_support import make_report


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return make_desk(tmp_path, make_holder(tmp_path, "collector"))


def plain(**fields: str) -> bytes:
    """A report that is not sealed."""
    return write_text(make_report(**fields))


def test_what_stays_refused_is_no_news(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """Processing again does not warn of it once more; its coming does."""
    [cut, good] = desk.take(plain()[:50], plain(host="good"))
    assert cut is not None and good is not None and (cut.fate, good.fate) == (Fate.REFUSED, Fate.STORED)

    def process_again(desk: Desk) -> list[str]:
        with closing(Kept(desk.settings.kept)) as kept:
            assert kept.process_again(0) == 2
        caplog.clear()
        with caplog.at_level(logging.DEBUG, "headless.inventory"):
            desk.take_letters()
        return [f"{item.levelname} {item.getMessage()}" for item in caplog.records if "refused" in item.getMessage()]

    [line] = process_again(desk)
    assert line.startswith("DEBUG still refused")
    feeds = {**desk.settings.feeds, "main": replace(desk.settings.feeds["main"], sites=("X",))}
    desk = Desk(replace(desk.settings, feeds=feeds), desk.holder)
    assert [line.split()[0] for line in process_again(desk)] == ["DEBUG"]
    assert desk.take(plain()[:50], received=5) and caplog.records[-1].levelname == "WARNING"


def test_what_was_kept_before_sites_were_is_read(desk: Desk) -> None:
    [old] = desk.take(plain(site="S"))
    with closing(sqlite3.connect(desk.settings.kept)) as connection:
        connection.execute("alter table letters drop column site")
    with closing(Kept(desk.settings.kept)) as kept:
        assert old is not None and old.site == "S" and kept.get(old.id) == replace(old, site="")
    [new] = desk.take(plain(site="T"))
    assert new is not None and new.site == "T"
