"""What is said of an answer without rows: nothing that the asker may not see."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from headless.inventory.ask.answers import answer
from headless.inventory.ask.memory import Memory
from headless.inventory.ask.page import Answer, Page
from headless.inventory.collect.access import Scope
from headless.inventory.collect.arrival import build_arrival
from headless.inventory.collect.store import Store
from headless.inventory.package import Package
from headless.inventory.report import Report
from inventory_support import NOW

SCOPES = {name: Scope(name, frozenset([name]), frozenset(), False) for name in ("A", "B")}
SCOPES["all"] = Scope("all", None, None, False)
REPORTS = (
    Report(host="a", site="A", packages=(Package("rpm", "gone", "0:1-1"),), made=NOW - 120),
    Report(host="a", site="A", tag="WN", packages=(Package("rpm", "bash", "0:1-1"),), made=NOW - 60),
    Report(host="b", site="B", tag="SECRET", packages=(Package("apk", "musl", "1"),), made=NOW - 60),
)


def never(name: str) -> str:
    """What is said of a package that nobody has reported."""
    return f"no host that you may see has ever reported a package {name!r}"


@pytest.mark.parametrize(("question", "given", "notes"), [
    ("hosts", {"tag": "SECRET"}, {"A": "no host that you may see has the tag 'SECRET': there are WN"}),
    ("hosts", {"tag": "NONE"}, {
        "A": "no host that you may see has the tag 'NONE': there are WN",
        "B": "no host that you may see has the tag 'NONE': there are SECRET",
        "all": "no host that you may see has the tag 'NONE': there are SECRET, WN",
    }),
    ("packages", {"kind": "apk"}, {"A": "no host that you may see has packages of the kind 'apk'"}),
    ("packages", {"kind": "apk", "site": "A"}, {
        "A": "no host of 'A' has packages of the kind 'apk'", "all": "no host of 'A' has packages of the kind 'apk'",
    }),
    ("packages", {"kind": "pkg"}, dict.fromkeys(SCOPES, "no host that you may see has packages of the kind 'pkg'")),
    ("who-has", {"requirement": "none*", "kind": "rpm"}, {
        "B": "no host that you may see has packages of the kind 'rpm'",
    }),
    ("who-has", {"requirement": "none<1"}, dict.fromkeys(SCOPES, never("none"))),
    ("who-has", {"requirement": "none*"}, {}),
    # What others have makes no difference, what was there earlier does.
    ("who-has", {"requirement": "musl"}, {"A": never("musl")}),
    ("who-has", {"requirement": "bash>9"}, {"B": never("bash")}),
    ("who-has", {"requirement": "gone"}, {"B": never("gone")}),
    ("census", {"package": "musl"}, {"A": never("musl")}),
])  # fmt: skip
def test_notes_are_of_what_the_asker_may_see(
    tmp_path: Path, question: str, given: dict[str, Any], notes: dict[str, str]
) -> None:
    async def ask() -> dict[str, str]:
        store = Store.open("", str(tmp_path))
        await store.store([build_arrival(report, NOW) for report in REPORTS])
        found, memory = {}, Memory()
        for name, scope in SCOPES.items():
            if name == "B" and given.get("site"):
                continue
            told = await store.read(partial(_ask, question=question, given=given, scope=scope, memory=memory))
            found[name] = "; ".join(told.notes)
        await store.close()
        return {name: text for name, text in found.items() if text}

    assert asyncio.run(ask()) == notes


def _ask(connection: Connection, question: str, given: dict[str, Any], scope: Scope, memory: Memory) -> Answer:
    return answer(question, {"at": NOW, **given}, Page(100), connection=connection, scope=scope, memory=memory)
