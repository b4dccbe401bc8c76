"""A report: what one host said of itself at one time."""

from dataclasses import dataclass

from headless.inventory.package import Package

__all__ = ["BadReport", "Missing", "Report"]


class BadReport(ValueError):
    """A report that cannot be believed; the message says why, in one line."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A source of packages that could not be read, or not be told.

    Attributes:
        source: "rpm", "dpkg", "apk", "python".
        reason: one line.
    """

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """What one host said of itself.

    Attributes:
        host: its name; never empty.
        packages: at least one, unless ``missing`` says why there is none.
        site, tag: the site it belongs to, a group within it or across sites; empty if not told.
        machine: what tells two hosts of one name apart: 32 hexadecimal digits derived from the machine id; empty if not
            told.
        system: the operating system as people call it, "AlmaLinux release 9.4 (Seafoam Ocelot)".
        os_id, os_version: of os-release: "debian", "12"; empty if not told.
        kernel, arch, cpu: of the running system; empty if not told.
        made: when it was made, seconds since the epoch; 0 if not told.
        interval: after how many seconds the host means to report again; 0 if not told.
        missing: what it could not read.
    """

    host: str
    packages: tuple[Package, ...]
    site: str = ""
    tag: str = ""
    machine: str = ""
    system: str = ""
    os_id: str = ""
    os_version: str = ""
    kernel: str = ""
    arch: str = ""
    cpu: str = ""
    made: int = 0
    interval: int = 0
    missing: tuple[Missing, ...] = ()
