"""What a person names: a host, or a site, or a tag, each as it was at a time."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from headless.errors import ParameterError
from headless.inventory.ask.counting import count_packages
from headless.inventory.ask.gaps import find_unread
from headless.inventory.ask.retired import find_retirement
from headless.inventory.ask.succession import find_holders
from headless.inventory.ask.view import View, count_sets
from headless.inventory.ask.walking import Host, find_hosts
from headless.inventory.dates import build_date, parse_date
from headless.inventory.package import Package

__all__ = ["Side", "choose_host", "find_host", "find_side", "list_packages", "name_host"]

NOW_S = 60  # what is asked as of so long ago was asked as of now


@dataclass(frozen=True)
class Side:
    """One or more hosts.

    Attributes:
        hosts: how many.
        packages: how many of them have each.
        unread: how many of them could not read a kind of packages.
    """

    hosts: int
    packages: Mapping[Package, int]
    unread: Mapping[str, int]


def find_host(view: View, text: str) -> Host:
    """The one host that a text means.

    Raises:
        ParameterError: it means none that may be seen, or several: the message names them.
    """
    return choose_host(view, text, find_hosts(view, text))


def choose_host(view: View, text: str, hosts: Sequence[Host]) -> Host:
    """The one that a text means of the hosts that it may mean. See :func:`find_host`."""
    found = find_holders(view, hosts)
    if len(found) == 1:
        return found[0]
    if not found:
        raise ParameterError(_explain_absence(view, text))
    names = [f"{host.site}/{host.name}" for host in found]
    is_one_name = len(set(names)) < len(names)
    told = [f"{name}#{host.id}" if is_one_name else name for name, host in zip(names, found, strict=True)]
    shown = ", ".join(sorted(told)[:8]) + (" and others" if len(told) > 8 else "")
    raise ParameterError(f"{text[:80]!r} is the name of {len(found)} hosts: say which of {shown}")


def name_host(host: Host) -> str:
    """A host's name of which there is no other."""
    return f"{host.site}/{host.name}#{host.id}"


def _explain_absence(view: View, text: str) -> str:
    if not view.retired and (gone := find_hosts(replace(view, retired=True), text)):
        since = build_date(max(find_retirement(view, host) for host in gone))
        return f"{text[:80]!r} is retired, since {since}: ask for an earlier time (--at), or for its history"
    when = f", at {build_date(view.at)}" if view.at < time.time() - NOW_S else ""
    hint = "; a time is given with --at" if "@" in text else ""
    return f"there is no host {text[:80]!r} that you may see{when}{hint}"


def list_packages(view: View, set_id: int, kind: str = "") -> list[Package]:
    """A set's packages, by kind, name and version."""
    [(_, members)] = view.memory.iterate_members(view.connection, [set_id])
    found = view.memory.find_packages(view.connection, members).values()
    return sorted(package for package in found if kind in ("", package.kind))


def find_side(view: View, text: str, kind: str = "") -> Side:
    """What is installed on ``HOST``, ``site:NAME`` or ``tag:NAME``, each with ``@DATE`` behind it for as it was then.

    Raises:
        ParameterError: nothing is called so; or several hosts are.
    """
    view, text = _split_date(view, text)
    what, colon, name = text.partition(":")
    if not colon or what not in ("site", "tag"):
        host = find_host(view, text)
        facts = view.memory.find_facts(view.connection, [host.facts_id])[host.facts_id]
        unread = {source: 1 for source, _ in facts.missing}
        return Side(1, dict.fromkeys(list_packages(view, host.set_id, kind), 1), unread)
    groups = view.list_groups({what: name})
    if not groups:
        raise ParameterError(f"no host that you may see was of the {what} {name[:80]!r} at that time")
    counts = count_packages(view, count_sets(groups))
    packages = view.memory.find_packages(view.connection, counts)
    chosen = {packages[number]: hosts for number, hosts in counts.items() if kind in ("", packages[number].kind)}
    return Side(sum(group.hosts for group in groups), chosen, find_unread(groups, view.find_facts(groups)))


def _split_date(view: View, text: str) -> tuple[View, str]:
    """What is seen at the date behind a name, and the name; the sign between them may be in a name too."""
    name, sign, date = text.rpartition("@")
    if not sign:
        return view, text
    try:
        return replace(view, at=parse_date(date)), name
    except ParameterError:
        if text.removeprefix("site:") in view.sites.values() or find_hosts(view, text):
            return view, text
        raise
