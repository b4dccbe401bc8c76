"""Which operating system a host has: told by os-release, or by the text that the existing clients send."""

import re
from dataclasses import dataclass

from headless.errors import ParameterError

__all__ = ["FAMILIES", "SystemPattern", "parse_system", "parse_system_pattern"]

FAMILIES = {"el": ("almalinux", "centos", "ol", "rhel", "rocky", "scientific")}
"""One name for systems that count their versions alike."""
# How the names in the texts begin, and the ID that os-release gives the same system.
NAMES = (
    ("AlmaLinux", "almalinux"),
    ("Alpine Linux", "alpine"),
    ("CentOS", "centos"),
    ("Debian GNU/Linux", "debian"),
    ("Fedora", "fedora"),
    ("Oracle Linux", "ol"),
    ("Red Hat Enterprise Linux", "rhel"),
    ("Rocky Linux", "rocky"),
    ("Scientific Linux", "scientific"),
    ("SUSE Linux Enterprise Server", "sles"),
    ("Ubuntu", "ubuntu"),
    ("openSUSE Leap", "opensuse-leap"),
)
VERSION = re.compile(r"(?:^|[\s v])([0-9]+(?:\.[0-9]+)*)(?: SP([0-9]+))?")
PATTERN = re.compile(r"([a-z0-9._-]+|\*)(?::([0-9A-Za-z._-]+))?")


@dataclass(frozen=True, slots=True)
class SystemPattern:
    """Systems of a kind.

    Attributes:
        ids: os-release's ``ID``, any of these; none: all systems.
        version: what os-release's ``VERSION_ID`` is or begins with, up to a dot: "9" is 9.4 too; empty: all.
    """

    ids: tuple[str, ...]
    version: str = ""

    def matches(self, os_id: str, os_version: str) -> bool:
        """Whether a system is one of them."""
        if self.ids and os_id not in self.ids:
            return False
        return not self.version or f"{os_version}.".startswith(f"{self.version}.")

    def __str__(self) -> str:
        """As it is written in a reference."""
        families = [name for name, ids in FAMILIES.items() if ids == self.ids]
        return (families or self.ids or ("*",))[0] + (f":{self.version}" if self.version else "")


def parse_system_pattern(text: str) -> SystemPattern:
    """Read ``ID`` or ``ID:VERSION``; an ID may be a family's name, or ``*``.

    Raises:
        ParameterError: it is something else.
    """
    match = PATTERN.fullmatch(text)
    if not match:
        raise ParameterError(
            f"{text[:80]!r} is no system: os-release's ID is expected, or ID:VERSION, as 'almalinux:9'"
        )
    ids = () if match[1] == "*" else FAMILIES.get(match[1], (match[1],))
    return SystemPattern(ids, match[2] or "")


def parse_system(text: str) -> tuple[str, str]:
    """Find ID and version in a text like "AlmaLinux release 9.4 (Seafoam Ocelot)"; empty if they are not known."""
    for name, os_id in NAMES:
        if text.startswith(name):
            match = VERSION.search(text, len(name))
            version = ".".join(part for part in match.groups() if part) if match else ""
            # Ubuntu's text counts its updates too, which its VERSION_ID does not.
            return os_id, ".".join(version.split(".")[:2]) if os_id == "ubuntu" else version
    return "", ""
