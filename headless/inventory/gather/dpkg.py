"""Debian's packages, from dpkg's own list: deb-status(5), deb-control(5)."""

from collections.abc import Iterator

from headless.inventory.package import Package

__all__ = ["read_dpkg"]

STATUS = "/var/lib/dpkg/status"
INSTALLED = "install ok installed"


def read_dpkg(path: str = STATUS) -> Iterator[Package]:
    """Read the packages that are installed.

    Raises:
        OSError: the list cannot be read.
    """
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        text = file.read()
    for paragraph in text.split("\n\n"):
        fields = dict(
            line.split(": ", 1) for line in paragraph.split("\n") if not line.startswith(" ") and ": " in line
        )
        if fields.get("Status") == INSTALLED:
            source, _, version = fields.get("Source", "").partition(" (")
            yield Package(
                "dpkg",
                fields["Package"],
                fields["Version"],
                fields.get("Architecture", ""),
                source,
                version.rstrip(")"),
            )
