"""What the clients of Pakiti 2 send (protocol 4): a form, as multipart or URL-encoded, one of its fields the packages.

The client makes its requests by hand, and they show it: ``+`` is written ``%2b`` in the multipart form too; the length
that the URL-encoded form declares leaves out its last two bytes, the quote and the line end after the last package.
"""

import re
from collections.abc import Sequence
from urllib.parse import unquote

from headless.inventory.amount import MOST_PACKAGES, check_lines
from headless.inventory.gather.files import decode
from headless.inventory.package import Package
from headless.inventory.report import BadReport, Report

__all__ = ["is_form", "parse_form"]

KINDS = {"rpm": "rpm", "dpkg": "dpkg", "deb": "dpkg"}
FIELDS = ("host", "tag", "kernel", "arch", "os", "type", "version", "pkgs", "site")
PART = re.compile(r'content-disposition:\s*form-data;.*?\bname="?([A-Za-z_]+)"?', re.IGNORECASE)
PAIR = re.compile(rb"[a-z_]{1,20}=[^&\n]{0,300}(&|$)")
LINE = re.compile(r"'([^']*)' '([^']*)' '([^']*)' '([^']*)'?")
HEAD = 500  # characters of a part's headers: the search in them takes the square of their number
MOST_FIELDS = 100
KEY = "gpg-pubkey"  # which rpm lists among packages


def is_form(data: bytes) -> bool:
    """Whether it is such a form, by how it begins."""
    return (data.startswith(b"--") and b"form-data" in data[:300]) or PAIR.match(data) is not None


def parse_form(data: bytes, most: int = MOST_PACKAGES) -> Report:
    """Read a form.

    Args:
        data: all of it.
        most: packages that it may have.

    Raises:
        BadReport: it is none, or has not what a report has.
    """
    is_multipart = data.startswith(b"--")
    check_lines(data if is_multipart else data.replace(b"%0A", b"\n").replace(b"%0a", b"\n"), most)
    text = decode(data)
    fields = _split_parts(text) if is_multipart else _split_pairs(text)
    if fields.get("version") != "4":
        raise BadReport(f"a form of version {fields.get('version', '')[:20]!r}: only 4 is known, Pakiti 2's")
    kind = KINDS.get(fields.get("type", ""))
    if kind is None:
        raise BadReport(f"packages of type {fields.get('type', '')[:20]!r} are not known")
    if not fields.get("host"):
        raise BadReport("no field 'host'")
    return Report(
        host=fields["host"],
        packages=tuple(_parse_packages(kind, fields.get("pkgs", ""))),
        site=fields.get("site", ""),
        tag=fields.get("tag", ""),
        system=fields.get("os", ""),
        kernel=fields.get("kernel", ""),
        arch=fields.get("arch", ""),
    )


def _split_parts(text: str) -> dict[str, str]:
    text = text.replace("\r\n", "\n")
    boundary, _, rest = text.partition("\n")
    parts = rest.split(f"\n{boundary}", MOST_FIELDS)
    _check_fields(parts)
    if parts.pop().strip() != "--":
        raise BadReport("cut short: the form's last boundary is not there")
    fields: dict[str, str] = {}
    for part in parts:
        head, _, value = part.removeprefix("\n").partition("\n\n")
        found = PART.search(head[:HEAD])
        if found is not None:
            _set(fields, found[1], value.replace("%2b", "+"))
    return fields


def _split_pairs(text: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    pairs = text.split("&", MOST_FIELDS)
    _check_fields(pairs)
    for pair in pairs:
        name, _, value = pair.partition("=")
        _set(fields, name, unquote(value.replace("+", " "), errors="replace"))
    return fields


def _check_fields(fields: Sequence[str]) -> None:
    if len(fields) > MOST_FIELDS:
        raise BadReport("a form with too many fields")


def _set(fields: dict[str, str], name: str, value: str) -> None:
    """Take a field, outer blanks left out: the client's lines end where its shell ends them."""
    if name in FIELDS and fields.setdefault(name, value.strip()) != value.strip():
        raise BadReport(f"two fields {name!r} that differ")


def _parse_packages(kind: str, text: str) -> list[Package]:
    lines = [line for line in text.split("\n") if line.strip()]
    packages = []
    for number, line in enumerate(lines, 1):
        found = LINE.fullmatch(line.strip())
        # Only the last line may have lost its last quote.
        if found is None or (number < len(lines) and not line.rstrip().endswith("'")):
            raise BadReport(f"package {number}: four words in quotes are expected, not {line[:60]!r}")
        name, version, release, arch = found.groups()
        if kind == "rpm" and name == KEY:
            continue
        packages.append(Package(kind, name, f"{version}-{release}" if release else version, arch))
    return packages
