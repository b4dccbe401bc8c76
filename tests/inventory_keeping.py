"""A collector about which its keeper has decided: what must all be there after a restore."""

import json
import os
import subprocess
import urllib.request

from headless.inventory.package import Package
from headless.inventory.report import Report
from headless.inventory.text import write_text
from inventory_server import CollectorServer, post, read_status, talk
from support import HEADLESS, TIME_SCALE, wait_for

MANY = tuple(Package("rpm", f"lib{number}", "0:1-1", "x86_64") for number in range(100))


class Kept:
    """A collector with a host that has shrunk and was accepted, one that is retired, and a token."""

    def __init__(self, server: CollectorServer) -> None:
        self.server = server
        for host, count in (("shrunk", 100), ("old", 100)):
            self.send(host, count, made=1_000)
        self.send("shrunk", 3, made=500, fate="held")
        [number] = [row["id"] for row in json.loads(self.run("review", "list", "--json"))["rows"]]
        self.run("review", "accept", str(number))
        wait_for(lambda: {fate for fate, _, _ in server.find_fates("shrunk")} == {"stored"}, "what was accepted")
        self.send("shrunk", 4, made=100)
        self.run("retire", "old")
        self.token = self.run("token", "add", "all", "--role", "reader", "--site", "*").strip()

    def run(self, *words: str) -> str:
        """Run one of the keeper's commands."""
        command = [HEADLESS, "inventory", *words, "--state", str(self.server.state)]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", timeout=60 * TIME_SCALE, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def send(self, host: str, count: int, *, made: int, fate: str = "stored") -> None:
        """Report so many packages, so many seconds ago."""
        before = len(self.server.find_fates(host)) if (self.server.state / "envelopes.db").exists() else 0
        time_made = int(os.stat(self.server.folder).st_ctime) - made
        body = write_text(Report(host=host, site="S", packages=MANY[:count], made=time_made))
        assert read_status(talk(self.server.port, post("/feed/", body))) == 200
        assert self.server.wait_fate(host, before + 1)[-1][0] == fate

    def ask(self, port: int, path: str) -> list[dict[str, object]]:
        """Ask a collector, with the token."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/v1/{path}", headers={"Authorization": f"Bearer {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=20 * TIME_SCALE) as answer:
            rows: list[dict[str, object]] = json.load(answer)["rows"]
        return rows
