"""A simulated fleet: sites of a few roles, nodes that drift, sites that update; the same for a seed.

The model is that of what was seen at real sites: nodes of a role are equal but for 3 % that have a few packages of
their own, and on any day 30 % of the sites update 5 to 30 packages.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import sha256

from headless.inventory.collect.arrival import Arrival
from headless.inventory.package import Package, canonical_lines, digest
from headless.inventory.report import Report

__all__ = ["DAY_S", "START", "Fleet"]

START = 1_767_225_600  # 2026-01-01
DAY_S = 86400
PACKAGES = 850  # of a node
ROLES = 3
OF_ROLE = 120  # packages that a role has and the others have not
DRIFTED, UPDATING = 0.03, 0.3
KERNELS = ("5.14.0-427.el9.x86_64", "5.14.0-503.el9.x86_64", "5.14.0-570.el9.x86_64")

_Levels = dict[int, int]  # how often each package was updated


@dataclass(frozen=True)
class Fleet:
    """A fleet.

    Attributes:
        hosts: in all sites together.
        sites: their number.
        days: for which each host reports daily.
        seed: of all that is by chance.
        drifted: the share of hosts that have a list of their own.
    """

    hosts: int
    sites: int = 170
    days: int = 3
    seed: int = 1
    drifted: float = DRIFTED

    def list_day(self, day: int) -> Iterator[Arrival]:
        """The reports of a day, from 0, in the order of their times."""
        contents: dict[tuple[int, ...], tuple[tuple[Package, ...], bytes]] = {}
        received = START + day * DAY_S
        for host in self._by_slot:
            site, role = host % self.sites, host // self.sites % ROLES
            drift = self._drift.get(host, -1)
            key = (site, role, drift)
            if key not in contents:
                content = self._list_packages(site, role, drift, day)
                contents[key] = content, digest(canonical_lines(content))
            content, found = contents[key]
            made = received + self._slots[host]
            yield Arrival(self._build_report(host, site, content, made), made + 2, found)

    @cached_property
    def _slots(self) -> list[int]:
        return [int.from_bytes(_hash(host)[:4]) % DAY_S for host in range(self.hosts)]

    @cached_property
    def _by_slot(self) -> list[int]:
        return sorted(range(self.hosts), key=self._slots.__getitem__)

    @cached_property
    def _drift(self) -> dict[int, int]:
        chance = random.Random(self.seed)
        return {host: host for host in range(self.hosts) if chance.random() < self.drifted}

    @cached_property
    def _levels(self) -> list[list[_Levels]]:
        """For each day and site."""
        chance = random.Random(self.seed + 1)
        now = [{chance.randrange(PACKAGES): 1 for _ in range(chance.randrange(100))} for _ in range(self.sites)]
        found = []
        for day in range(self.days):
            for site in range(self.sites):
                if day and chance.random() < UPDATING:
                    updated = chance.sample(range(PACKAGES), chance.randrange(5, 31))
                    now[site] = {**now[site], **{number: now[site].get(number, 0) + 1 for number in updated}}
            found.append(list(now))
        return found

    def _list_packages(self, site: int, role: int, drift: int, day: int) -> tuple[Package, ...]:
        levels = dict(self._levels[day][site])
        if drift >= 0:
            chance = random.Random(self.seed + drift)
            for number in chance.sample(range(PACKAGES - OF_ROLE), chance.randrange(1, 6)):
                levels[number] = levels.get(number, 0) + 1
        common = range(PACKAGES - OF_ROLE)
        own = range(PACKAGES + role * OF_ROLE, PACKAGES + (role + 1) * OF_ROLE)
        return tuple(_name_package(number, levels.get(number, 0)) for number in (*common, *own))

    def _build_report(self, host: int, site: int, content: tuple[Package, ...], made: int) -> Report:
        return Report(
            host=f"node{host // self.sites:04}.site{site:03}.example.org",
            packages=content,
            site=f"SITE-{site:03}",
            tag="WORKER" if host % 7 else "SERVICE",
            machine=_hash(host).hex()[:32],
            system="AlmaLinux release 9.4 (Seafoam Ocelot)",
            os_id="almalinux",
            os_version="9.4",
            kernel=KERNELS[site % len(KERNELS)],
            arch="x86_64",
            made=made,
            interval=DAY_S,
        )


def _hash(host: int) -> bytes:
    return sha256(str(host).encode()).digest()


@cache  # one object for all who have it, as the collector's own reader does
def _name_package(number: int, level: int) -> Package:
    return Package(
        "rpm", f"package-{number:04}-libs", f"0:{number % 9}.{number % 31}.{level}-{level + 1}.el9", "x86_64"
    )
