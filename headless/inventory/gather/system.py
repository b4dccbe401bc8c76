"""What this machine is: its name, system and kernel."""

import os
import platform
import sys

from headless.inventory.package import Package
from headless.inventory.report import Report

if sys.platform == "win32":
    raise ImportError("reports are made on POSIX systems only")

__all__ = ["read_system"]


def read_system(*, site: str, tag: str, packages: tuple[Package, ...]) -> Report:
    """Make a report of this machine."""
    release = platform.freedesktop_os_release()
    names = os.uname()
    return Report(
        host=names.nodename,
        packages=packages,
        site=site,
        tag=tag,
        system=release.get("PRETTY_NAME", ""),
        os_id=release.get("ID", ""),
        os_version=release.get("VERSION_ID", ""),
        kernel=names.release,
        arch=names.machine,
    )
