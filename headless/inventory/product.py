"""What a VEX file calls a product: a package URL, and which installed packages it means."""

from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qsl, unquote

from headless.inventory.ecosystems import DEBIAN, UBUNTU_NAMES
from headless.inventory.package import Package
from headless.inventory.purl import parse_purl
from headless.inventory.report import BadReport
from headless.inventory.selector import normalize, source_of
from headless.inventory.versions import compare

__all__ = ["Product"]

SOURCE = ("source", "src")
NAMESPACES = {
    "almalinux": ("almalinux", "alma"),
    "opensuse-leap": ("opensuse", "opensuse-leap"),
    "rhel": ("redhat", "rhel"),
    "rocky": ("rocky", "rocky-linux", "rockylinux"),
    "sles": ("suse", "sles"),
}
"""What package URLs call a system, where it is not the ID of os-release."""
RED_HAT_FAMILY = ("almalinux", "centos", "ol", "rhel", "rocky", "scientific")


@dataclass(frozen=True, slots=True)
class Product:
    """A package URL as a pattern: what it leaves out may be anything.

    Attributes:
        package: kind and name; version and architecture where they are given.
        namespace: the system's vendor, "debian".
        distro: the system's release, as "debian-12" or "bookworm".
        is_source: the name and the version are the source package's.
    """

    package: Package
    namespace: str
    distro: str
    is_source: bool

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read one; ``None`` if it is no URL of a package of a kind that advisories are about."""
        try:
            package = parse_purl(text)
        except BadReport:
            return None
        if package.kind not in ("rpm", "dpkg", "apk", "python"):
            return None
        path, _, tail = text.partition("#")[0].partition("?")
        distro = dict(parse_qsl(tail)).get("distro", "")
        parts = path.split("/")
        namespace = unquote(parts[1]).lower() if len(parts) > 2 else ""
        return cls(package, namespace, distro.lower(), package.arch in SOURCE)

    def means(self, package: Package, os_id: str, os_version: str) -> bool:
        """Whether it means a package that is installed on a system."""
        wanted = self.package
        name, version = source_of(package) if self.is_source else (package.name, package.version)
        if package.kind == "python":
            return _is_one(wanted, package.kind, normalize(name), version, normalize(wanted.name))
        return (
            _is_one(wanted, package.kind, name, version, wanted.name)
            and (self.is_source or wanted.arch in ("", package.arch))
            and (not self.namespace or self.namespace in NAMESPACES.get(os_id, (os_id,)))
            and (not self.distro or self.distro in _list_releases(os_id, os_version))
        )


def _is_one(wanted: Package, kind: str, name: str, version: str, wanted_name: str) -> bool:
    return (wanted.kind, wanted_name) == (kind, name) and (
        not wanted.version or compare(kind, wanted.version, version) == 0
    )


def _list_releases(os_id: str, os_version: str) -> set[str]:
    """What package URLs call a release: there is no rule for it."""
    major = os_version.partition(".")[0]
    names = {f"{vendor}-{number}" for vendor in (os_id, *NAMESPACES.get(os_id, ())) for number in (os_version, major)}
    if os_id in RED_HAT_FAMILY:
        names.add(f"el{major}")
    codenames = {"debian": DEBIAN, "ubuntu": UBUNTU_NAMES}.get(os_id, {})
    return names | {name for name, number in codenames.items() if number == os_version}
