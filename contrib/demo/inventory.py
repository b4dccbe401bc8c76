"""``make inventory-demo``: a collector of one's own in a temporary folder, two reports, and questions.

This machine reports what is installed on it, sealed for the collector; another host, which is not there, has one of
these packages in an older version. The commands are shown with their output and exit codes, and everything is gone
again.
"""

import shlex
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from serving import Serving

HOSTS = ("node1.example.org", "node2.example.org")
LIMIT_S = 60.0
PAIR = (
    "openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj /CN=collector -keyout collector.key -out collector.crt"
)
OLDER = (
    "headless inventory report --site SITE-B --plain"
    """ | awk 'BEGIN { FS = OFS = "\\t" } NF == 3 && !done { $2 = "0.1"; done = 1 } 1' > older.txt"""
)
BOTH = "(umask 077; cat collector.crt collector.key > collector.pem)"

GRANT = "(umask 077; headless inventory token add me --site '*' --state state > token)"


def main(program: str) -> int:
    """Run the demo with this ``headless``; return 0 if every command ended as it should."""
    with tempfile.TemporaryDirectory(prefix="headless-inventory-demo-") as name:
        demo = _Demo(Path(program).resolve().parent, Path(name))
        good = [demo.show("A pair of keys: what is sealed for it only the collector opens", *PAIR.split())]
        good.append(
            demo.show_shell("The collector wants both in one file; the certificate alone is for the hosts", BOTH)
        )
        with demo.serve():
            feed = ("--to", f"{demo.url}/feed/", "--encrypt", "collector.crt")
            good.append(
                demo.show("This machine's report, sealed", "headless", "inventory", "report", "--site", "SITE-A",
                          "--host", HOSTS[0], *feed)
            )  # fmt: skip
            good.append(demo.show_shell("A report of an older first package", OLDER))
            package = demo.find_older("older.txt")
            good.append(
                demo.show(f"Another host's, with an older {package}", "headless", "inventory", "report", "--site",
                          "SITE-B", "--host", HOSTS[1], "--input", "older.txt", *feed)
            )  # fmt: skip
            good.append(demo.show_shell("Nobody may ask, unless it is said", GRANT))
            demo.wait_stored()
            for title, words in (
                ("Who has reported?", ("hosts",)),
                (f"Who has {package}, in which versions?", ("census", package)),
                ("And who has the older one?", ("who-has", f"{package}=0.1")),
                ("What differs?", ("diff", *HOSTS)),
                ("What has happened?", ("history", HOSTS[0])),
            ):
                good.append(demo.show(title, "headless", "inventory", *words))
    print(f"\n{sum(good)} of {len(good)} commands ended as they should.")
    return 0 if all(good) else 1


class _Demo:
    """The commands of the demo, all in one folder."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._address = f"127.0.0.1:{probe.getsockname()[1]}"
        self.url = f"http://{self._address}"
        self._environment = {
            "HOME": str(folder),
            "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin:/usr/sbin",
            "LANG": "C.UTF-8",
            "HEADLESS_COLLECTOR": self.url,
            "HEADLESS_COLLECTOR_TOKEN_FILE": str(folder / "token"),
        }

    def read(self, name: str) -> str:
        """A file of the folder."""
        return (self._folder / name).read_text()

    def show(self, title: str, *words: str) -> bool:
        """Show one command; return whether it succeeded."""
        print(f"\n# {title}\n$ {shlex.join(words)}", flush=True)
        done = subprocess.run(words, env=self._environment, cwd=self._folder, stderr=subprocess.PIPE, check=False)
        if done.returncode:
            print(done.stderr.decode())
        print(f"exit code {done.returncode}", flush=True)
        return done.returncode == 0

    def show_shell(self, title: str, line: str) -> bool:
        """Show one line of the shell; return whether it succeeded."""
        print(f"\n# {title}\n$ {line}", flush=True)
        done = subprocess.run(["sh", "-c", line], env=self._environment, cwd=self._folder, check=False)
        print(f"exit code {done.returncode}", flush=True)
        return done.returncode == 0

    def find_older(self, name: str) -> str:
        """The package whose version a report has changed."""
        return next(line for line in self.read(name).splitlines() if "\t0.1\t" in line).partition("\t")[0]

    def wait_stored(self) -> None:
        """Wait until both hosts can be asked for: a report is answered before it is opened."""
        until = time.monotonic() + LIMIT_S
        while not all(host in self._run("headless", "inventory", "hosts").stdout for host in HOSTS):
            if time.monotonic() > until:
                raise SystemExit(self.read("collector.log"))
            time.sleep(0.2)

    def serve(self) -> Serving:
        """The collector, for as long as it is entered."""
        words = [
            "headless",
            "inventory",
            "serve",
            "--state",
            "state",
            "--listen",
            self._address,
            "--key",
            "collector.pem",
        ]
        print(f"\n# The collector\n$ {shlex.join(words)} &", flush=True)
        return Serving(words, self._environment, self._folder, "collector.log")

    def _run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            words, env=self._environment, cwd=self._folder, capture_output=True, text=True, check=False
        )


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
