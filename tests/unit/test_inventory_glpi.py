"""The inventory of GLPI's agent. Debian 12 has none: the samples here follow its published inventory_format."""

import json
import sys
import zlib
from dataclasses import replace
from typing import Any

import pytest

from headless.inventory import glpi
from headless.inventory.formats import parse_report
from headless.inventory.package import Package
from headless.inventory.report import BadReport, Missing

INVENTORY: dict[str, Any] = {
    "action": "inventory",
    "deviceid": "node7-2026-01-31-04-05-06",
    "itemtype": "Computer",
    "tag": "worker",
    "content": {
        "versionclient": "GLPI-Agent_v1.7",
        "hardware": {"name": "node7", "memory": 7800, "uuid": "4c4c4544-0034-3010-8048-b6c04f503732"},
        "operatingsystem": {
            "arch": "x86_64",
            "fqdn": "node7.example.org",
            "full_name": "AlmaLinux 9.4 (Seafoam Ocelot)",
            "kernel_name": "linux",
            "kernel_version": "5.14.0-427.el9.x86_64",
            "name": "AlmaLinux",
            "version": "9.4 (Seafoam Ocelot)",
        },
        "cpus": [{"name": "a CPU", "core": 2}, {"name": "another"}],
        "softwares": [
            {"name": "expat", "version": "2.5.0-2.el9", "arch": "x86_64", "from": "rpm", "filesize": 268027},
            {"name": "gpg-pubkey", "version": "b86b3716-61e69f29", "arch": "(none)", "from": "rpm"},
            {"name": "adduser", "version": "3.134", "arch": "all", "from": "deb", "system_category": "admin"},
            {"name": "musl", "version": "1.2.4-r2", "arch": "x86_64", "from": "apk"},
            {"name": "org.gnome.Maps", "version": "44.3", "from": "flatpak"},
            {"name": "nameless in its version", "from": "snap"},
        ],
    },
}


def encode(**changes: Any) -> bytes:
    """An inventory with other fields in its content, or in the message itself."""
    body = json.loads(json.dumps(INVENTORY))
    for name, value in changes.items():
        (body["content"] if name in body["content"] else body)[name] = value
    return json.dumps(body).encode()


@pytest.mark.parametrize("wrap", [bytes, zlib.compress, lambda data: zlib.compress(data, 1)])
def test_it_is_read(wrap: Any) -> None:
    report = parse_report(wrap(encode()))
    assert (report.host, report.tag, report.site, report.machine) == ("node7.example.org", "worker", "", "")
    assert (report.system, report.os_id, report.os_version) == ("AlmaLinux 9.4 (Seafoam Ocelot)", "almalinux", "9.4")
    assert (report.kernel, report.arch, report.cpu) == ("5.14.0-427.el9.x86_64", "x86_64", "a CPU")
    assert report.packages == (
        Package("rpm", "expat", "0:2.5.0-2.el9", "x86_64"),
        Package("dpkg", "adduser", "3.134", "all"),
        Package("apk", "musl", "1.2.4-r2", "x86_64"),
        Package("other", "org.gnome.Maps", "44.3"),
    )
    assert report.missing == (
        Missing("rpm epochs", "GLPI's agent does not tell epochs: 0 stands for all"),
        Missing("other", "entries without a name or a version: 1"),
    )


def test_the_older_agents_message() -> None:
    old = json.loads(encode(operatingsystem={"fqdn": "node7", "name": "Red Hat Enterprise Linux", "version": "8.10"}))
    del old["action"], old["tag"]
    old |= {"query": "INVENTORY"}
    old["content"]["accountinfo"] = {"keyname": "TAG", "keyvalue": "t"}
    report = parse_report(json.dumps(old).encode())
    assert (report.host, report.tag, report.os_id, report.os_version) == ("node7", "t", "rhel", "8.10")


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (encode(partial=True), "only a whole one"),
        (encode(action="contact"), "no inventory"),
        (encode(action="netinventory"), "no inventory"),
        (encode(softwares=[]), "without software"),
        (encode(softwares={"name": "a"}), "no list of objects"),
        (encode(softwares=[1]), "no list of objects"),
        (encode(softwares=[{"name": "a\nb", "version": "1"}]), "no line of text"),
        (encode(softwares=[{"name": ["a"], "version": "1"}]), "no line of text"),
        (encode(hardware={}, operatingsystem={}), "no host"),
        (encode(content="x"), "no object"),
        (zlib.compress(encode())[:-9], "cut short"),
        (b"x\x9c" + b"\xff" * 40, "no zlib data"),
        (zlib.compress(zlib.compress(encode())), "NUL|no "),
    ],
)
def test_what_is_refused(data: bytes, line: str) -> None:
    with pytest.raises(BadReport, match=line):
        parse_report(data)


def test_what_swells_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glpi, "INFLATED_LIMIT", 100_000)
    assert parse_report(zlib.compress(encode()))
    with pytest.raises(BadReport, match="too large"):
        parse_report(zlib.compress(b" " * 10_000_000 + encode()))


@pytest.mark.skipif(sys.platform == "win32", reason="reports are made on POSIX systems only")
@pytest.mark.parametrize("wrap", [bytes, zlib.compress])
def test_it_is_sent_under_another_site_in_our_format(wrap: Any) -> None:
    from headless.inventory.making import Wanted, rewrite_report

    data = wrap(encode())
    assert rewrite_report(data, Wanted(site="")) == data
    changed = rewrite_report(data, Wanted(site="S"))
    assert parse_report(changed) == replace(parse_report(data), site="S")
