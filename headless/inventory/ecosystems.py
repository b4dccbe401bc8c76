"""The ecosystems of OSV: which one a system's packages belong to."""

import re

__all__ = ["DEBIAN", "KINDS_BY_ECOSYSTEM", "PYPI", "UBUNTU_NAMES", "find_ecosystems", "parse_ecosystem"]

PYPI = "PyPI"
KINDS_BY_ECOSYSTEM = {
    "AlmaLinux": "rpm",
    "Alpine": "apk",
    "Debian": "dpkg",
    "Mageia": "rpm",
    PYPI: "python",
    "Red Hat": "rpm",
    "Rocky Linux": "rpm",
    "SUSE": "rpm",
    "Ubuntu": "dpkg",
    "openSUSE": "rpm",
}
"""Those that are known here, and the packages they are about."""
DEBIAN = {
    "stretch": "9",
    "buster": "10",
    "bullseye": "11",
    "bookworm": "12",
    "trixie": "13",
    "forky": "14",
    "duke": "15",
}
"""Debian's releases by their names. What is in its tracker for others is passed over."""
UBUNTU_NAMES = {"bionic": "18.04", "focal": "20.04", "jammy": "22.04", "noble": "24.04", "resolute": "26.04"}
"""Ubuntu's long-term releases by their names."""
BY_MAJOR = {"almalinux": "AlmaLinux", "debian": "Debian", "mageia": "Mageia", "rhel": "Red Hat", "rocky": "Rocky Linux"}
RED_HAT = re.compile(r"Red Hat:enterprise_linux:([0-9]+)(?:::.*)?")
UBUNTU = re.compile(r"(Ubuntu:[0-9.]+)(?::LTS)?")


def parse_ecosystem(text: str) -> str:
    """An advisory's ecosystem, as ``find_ecosystems`` has it; empty if it is not known here."""
    if match := RED_HAT.fullmatch(text):
        return f"Red Hat:{match[1]}"
    if match := UBUNTU.fullmatch(text):
        return match[1]
    return text if text.partition(":")[0] in KINDS_BY_ECOSYSTEM else ""


def find_ecosystems(os_id: str, os_version: str) -> tuple[str, ...]:
    """The ecosystems of a system by its os-release; none if it is not known.

    Args:
        os_id: "debian".
        os_version: "12"; empty, as for Debian's unstable, is known of no system.
    """
    major, _, rest = os_version.partition(".")
    minor = rest.partition(".")[0]
    if not major:
        return ()
    if os_id in BY_MAJOR:
        return (f"{BY_MAJOR[os_id]}:{major}",)
    if os_id == "alpine":
        return (f"Alpine:v{major}.{minor}",)
    if os_id == "ubuntu":
        return (f"Ubuntu:{os_version}",)
    if os_id == "opensuse-leap":
        return (f"openSUSE:Leap {os_version}",)
    if os_id == "sles":
        level = f"{major} SP{minor}" if minor else major
        return tuple(f"SUSE:Linux Enterprise {part} {level}" for part in ("Server", "Module for Basesystem"))
    return ()
