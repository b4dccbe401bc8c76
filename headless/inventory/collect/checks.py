"""What is believed: who may send, what a report may say, and what somebody has to look at first."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from headless.inventory.collect.arrival import Arrival
from headless.inventory.collect.feeds import Feed
from headless.inventory.collect.opening import Opened
from headless.inventory.collect.spool import Letter
from headless.inventory.collect.timeline import HORIZON_S
from headless.inventory.package import Package
from headless.inventory.report import BadReport, Report

__all__ = ["FEW", "check_letter", "check_packages", "check_report", "check_sender", "explain_shrinkage", "find_gone"]

FUTURE_S = 3600  # by which a host's clock may be ahead of ours
FEW = 50
"""Packages below which a list may shrink as it likes."""
VOLATILE = ("python",)
"""Kinds of which nobody is surprised if all are gone: an environment is removed as a whole."""
LONGEST_INTERVAL_S = 366 * 86400
LONGEST = {"host": 253, "site": 255, "tag": 255}
LONGEST_FACT = 1000
LONGEST_FACTS = 2**16 - 1  # bytes, all together, as they are stored
LONGEST_FIELDS = (16, 255, 255, 32, 255, 255)  # of a package
MACHINE = re.compile(r"([0-9a-f]{32})?")
CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def check_sender(letter: Letter, feed: Feed | None) -> Feed:
    """Check that whoever sent it may use its feed.

    Raises:
        BadReport: not.
    """
    how = letter.how
    if feed is None:
        raise BadReport(f"feed {how.feed!r} is not in the settings")
    if not feed.may_send(how.address, how.subject, how.token):
        raise BadReport(f"{how.address or 'somebody'} may not send to the feed {feed.name!r}")
    return feed


def check_letter(letter: Letter, largest: int) -> None:
    """Check a body before anything is done with it.

    Raises:
        BadReport: it is empty or too large.
    """
    if not letter.body.strip():
        raise BadReport("empty")
    if len(letter.body) > largest:
        raise BadReport(f"{len(letter.body)} bytes, and {largest} are taken at most")


def check_report(arrival: Arrival, opened: Opened, feed: Feed) -> None:
    """Check what a report says.

    Raises:
        BadReport: it came in a way that its feed does not take, or says what cannot be.
    """
    report = arrival.report
    if feed.sealed and not opened.is_sealed:
        raise BadReport(f"not sealed, and the feed {feed.name!r} takes sealed reports only")
    if feed.signers and not opened.signers:
        raise BadReport(f"not signed, and the feed {feed.name!r} takes signed reports only")
    if not feed.takes_site(report.site):
        raise BadReport(f"site {report.site!r} is not one of the feed {feed.name!r}")
    if not report.packages and not report.missing:
        raise BadReport("no packages")
    if report.made > arrival.received + FUTURE_S:
        raise BadReport(f"made {report.made - arrival.received} s in the future: is the host's clock right?")
    if arrival.time < arrival.received - HORIZON_S and not arrival.any_age:
        raise BadReport(f"too old: made {(arrival.received - arrival.time) // 86400} days before it came")
    _check_texts(report)
    if len(arrival.facts) > LONGEST_FACTS:
        raise BadReport("too much is said beside the packages")
    if not MACHINE.fullmatch(report.machine):
        raise BadReport("'machine' must be 32 hexadecimal digits")
    if report.interval > LONGEST_INTERVAL_S:
        raise BadReport(f"an interval of {report.interval} s")


def check_packages(packages: Sequence[Package]) -> None:
    """Check a list of packages.

    Raises:
        BadReport: a package has what no package can have.
    """
    if not packages:
        return
    for column, (name, longest) in enumerate(zip(Package._fields, LONGEST_FIELDS, strict=True)):
        values = {package[column] for package in packages}
        if max(map(len, values)) > longest or CONTROL.search("".join(values)):
            bad = next(value for value in values if len(value) > longest or CONTROL.search(value))
            raise BadReport(f"a package's {name} is too long, or has control characters: {bad[:60]!r}")


def explain_shrinkage(
    now: Mapping[str, int], before: Mapping[str, int], missing: Collection[str], threshold: float
) -> str:
    """Why a list that is so much shorter than the host's last one is not believed; empty if it is.

    Args:
        now: packages of each kind.
        before: those in the list before.
        missing: the kinds of which the report says itself that they could not be read.
        threshold: the share of those before that must still be there, of each kind and of all.
    """
    read = {kind: count for kind, count in before.items() if kind not in missing}
    for kind, count in sorted(read.items()):
        if kind not in VOLATILE and _has_shrunk(now.get(kind, 0), count, threshold):
            return f"{now.get(kind, 0)} {kind} packages, and {count} before"
    count, size = sum(now.get(kind, 0) for kind in now if kind not in missing), sum(read.values())
    return f"{count} packages, and {size} before" if _has_shrunk(count, size, threshold) else ""


def _has_shrunk(count: int, before: int, threshold: float) -> bool:
    return before >= FEW and count < before * threshold


def find_gone(before: Iterable[Package], now: Iterable[Package]) -> tuple[Package, ...]:
    """What was there before, and is in no version now; by name."""
    there = {(package.kind, package.name) for package in now}
    return tuple(sorted(package for package in before if (package.kind, package.name) not in there))


def _check_texts(report: Report) -> None:
    for name in ("host", "site", "tag", "system", "os_id", "os_version", "kernel", "arch", "cpu"):
        value = getattr(report, name)
        if len(value) > LONGEST.get(name, LONGEST_FACT) or CONTROL.search(value):
            raise BadReport(f"{name!r} is too long, or has control characters")
    if not report.host.strip().strip("."):
        raise BadReport("no host")
    if len(report.missing) > 100 or any(len(entry.source) + len(entry.reason) > 2000 for entry in report.missing):
        raise BadReport("too much is missing to be told")
