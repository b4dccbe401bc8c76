"""A small fleet with a history, and what hosts had at a time, found the slow way."""

import asyncio
import http.client
import json
import random
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from headless.inventory.collect.arrival import Arrival, build_arrival
from headless.inventory.collect.store import Store
from headless.inventory.package import Package
from headless.inventory.report import Missing, Report
from inventory_server import CollectorServer
from support import HEADLESS, TIME_SCALE

DAY = 86400
SITES = ("ALPHA", "BETA", "GAMMA")
EVIL = '<script>document.title = "run"</script>'


def build_fleet(now: int) -> list[Report]:
    """Three sites of twelve hosts, two tags, four days, updates and drift; the last host of each has gone silent."""
    chance = random.Random(7)
    return [report for number in range(36) for report in _report_days(SITES[number // 12], number % 12, now, chance)]


async def store_fleet(store: Store, reports: list[Report], now: int) -> None:
    """Store them."""
    await store.store([_arrive(report, now) for report in reports])


def find_states(reports: list[Report], at: int) -> dict[tuple[str, str], Report]:
    """The newest report of each host by then."""
    found: dict[tuple[str, str], Report] = {}
    for report in sorted(reports, key=lambda report: report.made):
        if report.made <= at:
            found[report.site, report.host] = report
    return found


def _arrive(report: Report, now: int) -> Arrival:
    return build_arrival(report, now)


def _report_days(site: str, number: int, now: int, chance: random.Random) -> Iterator[Report]:
    extra = chance.random() < 0.3
    for day in range(4):
        if number == 11 and day > 0:
            return
        packages = [
            Package(
                "rpm", f"lib{item}", f"0:1.{item}-{1 + (day if item < 3 else 0)}.el9", "x86_64", "libs", f"1.{item}"
            )
            for item in range(40)
        ]
        packages.append(Package("rpm", "openssl", f"1:3.0.{7 + 4 * (day > 1)}-28.el9", "x86_64"))
        packages += [Package("rpm", "kernel", f"0:5.14.0-{day + item}.el9", "x86_64") for item in range(2)]
        packages.append(Package("python", "Typing_Extensions", "4.12.2"))
        if extra and day > 2:
            packages.append(Package("rpm", EVIL, "0:1-1", "noarch"))
        # In GAMMA a host has a name that one in ALPHA has too.
        name = f"node{number}.example.org" if site != "BETA" else f"wn{number}.beta.example.org"
        yield Report(
            host=name,
            site=site,
            packages=tuple(packages),
            tag="WN" if number % 2 else "SE",
            system="AlmaLinux release 9.4",
            os_id="almalinux",
            os_version="9.4",
            kernel=f"5.14.0-{day + 1}.el9",
            made=now - (4 - day) * DAY + number + 3600,
            interval=DAY,
            missing=(Missing("dpkg", "no such file"),) if number == 3 else (),
        )


class AskedCollector:
    """A running collector that holds the fleet, and whoever asks it.

    Attributes:
        url: of it.
        tokens: files, by the name of who may what: "all", "alpha" (of one site), "sender" (who may see nothing).
        now: when the fleet was stored.
    """

    def __init__(self, server: CollectorServer, folder: Path, now: int) -> None:
        self.server = server
        self.url = f"http://127.0.0.1:{server.port}"
        self.now = now
        self._folder = folder
        self._state = server.state
        self.tokens = {
            "all": self.grant("all", "--site", "*"),
            "alpha": self.grant("alpha", "--site", "ALPHA"),
            "sender": self.grant("sender", "--role", "sender"),
        }

    def run(
        self, *words: str, token: str = "all", limit_s: float = 30, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run ``headless inventory``."""
        given = {"HOME": str(self._folder), "PATH": "/usr/bin:/bin", "HEADLESS_COLLECTOR": self.url}
        given |= environment or {}
        if token:
            given["HEADLESS_COLLECTOR_TOKEN_FILE"] = str(self.tokens[token])
        return subprocess.run(
            [HEADLESS, "inventory", *words], capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd="/",
            env=given, timeout=limit_s * TIME_SCALE, check=False,
        )  # fmt: skip

    def get(
        self, path: str, token: str = "all", *, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Fetch a path: status, headers, body. A redirect is not followed."""
        given = {"Authorization": f"Bearer {self.tokens[token].read_text().strip()}"} if token else {}
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=20 * TIME_SCALE)
        with closing(connection):
            connection.request("GET" if body is None else "POST", path, body, {**given, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()

    def ask(self, question: str, token: str = "all", **parameters: str) -> dict[str, Any]:
        """Ask the API."""
        status, _, body = self.get(f"/api/v1/{question}?{urlencode(parameters)}", token)
        assert status == 200, body
        told: dict[str, Any] = json.loads(body)
        return told

    def grant(self, name: str, *options: str) -> Path:
        """Grant something; return the file that the token is in."""
        done = subprocess.run(
            [HEADLESS, "inventory", "token", "add", name, *options, "--state", str(self._state)],
            capture_output=True, check=True, env={"HOME": str(self._folder)}, timeout=30 * TIME_SCALE,
        )  # fmt: skip
        file = self._folder / f"{name}.token"
        file.write_bytes(done.stdout)
        file.chmod(0o600)
        return file


@contextmanager
def run_asked_collector(
    folder: Path, settings: str = "", reports: list[Report] | None = None
) -> Iterator[AskedCollector]:
    """A real collector with the fleet in it, or with other reports, for as long as the block runs."""
    now = int(time.time())

    async def fill() -> None:
        store = Store.open("", str(folder / "state"))
        await store_fleet(store, build_fleet(now) if reports is None else reports, now)
        await store.close()

    (folder / "state").mkdir(mode=0o700)
    asyncio.run(fill())
    with CollectorServer(folder, settings) as server:
        yield AskedCollector(server.start(), folder, now)
        server.stop()
