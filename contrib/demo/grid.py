"""``make grid-demo``: a grid of one's own in a temporary folder, and a folder that goes there and back.

Authority, user, server and storage are made; the commands are shown with their output and exit codes; at the end what
came back is compared with what went, and everything is gone again.
"""

import filecmp
import os
import shlex
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from serving import Serving

FILES = 12


def main(program: str) -> int:
    """Run the demo with this ``headless``; return 0 if every command ended as it should and the files are the same."""
    with tempfile.TemporaryDirectory(prefix="headless-grid-demo-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the storage may run as another OS user
        demo = _Demo(Path(program).resolve().parent, folder)
        _make_files(folder / "results")
        good = [
            demo.show("A certificate authority, and a user", "pki", "--state", "grid", "init"),
            demo.show("", "pki", "--state", "grid", "user", "anna", "--out", ".globus"),
        ]
        with demo.serve():
            good += [
                demo.show("Where am I?", "pwd"),
                demo.show("A folder up: every file with its checksum", "cp", "-v", "file:results/", "alien:results/"),
                demo.show("What is there now", "ls -l results"),
                demo.show("One of them, and where it lies", "find results *1998*; whereis results/run1998.dat"),
                demo.show("The same folder once more: nothing differs, nothing is copied",
                          "cp", "-v", "file:results/", "alien:results/"),
                demo.show("And down again", "cp", "alien:results/", "file:back/"),
            ]  # fmt: skip
        same = _compare(folder / "results", folder / "back")
    print(f"\n{sum(good)} of {len(good)} commands ended as they should; {same} of {FILES} files came back the same.")
    return 0 if all(good) and same == FILES else 1


class _Demo:
    """The commands of the demo, all in one folder."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._folder = folder
        (folder / "tmp").mkdir()
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = str(probe.getsockname()[1])
        self._environment = {
            "HOME": str(folder),
            "TMPDIR": str(folder / "tmp"),
            "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin:/usr/sbin",
            "LANG": "C.UTF-8",
            "X509_CERT_FILE": str(folder / "grid/pki/ca.pem"),
            "ALIENPY_JCENTRAL": "localhost",
            "ALIENPY_JCENTRAL_PORT": self._port,
        }

    def show(self, title: str, *words: str) -> bool:
        """Show one command; return whether it succeeded."""
        heading = f"\n# {title}\n" if title else ""
        print(f"{heading}$ {shlex.join(['headless', 'grid', *words])}", flush=True)
        done = subprocess.run(["headless", "grid", *words], env=self._environment, cwd=self._folder, check=False)
        print(f"exit code {done.returncode}", flush=True)
        return done.returncode == 0

    def serve(self) -> Serving:
        """The server, for as long as it is entered."""
        words = ["grid", "serve", "--state", "grid", "--listen", f"127.0.0.1:{self._port}", "--with-storage", "storage"]
        print(f"\n# The server, with a storage of its own\n$ {shlex.join(['headless', *words])} &", flush=True)
        return Serving(["headless", *words], self._environment, self._folder, "grid.log")


def _make_files(folder: Path) -> None:
    folder.mkdir()
    for number in range(FILES):
        (folder / f"run{1990 + number}.dat").write_bytes(os.urandom(1000 * (number + 1)))


def _compare(one: Path, other: Path) -> int:
    """How many files are the same in both."""
    names = [path.name for path in one.iterdir()]
    if not other.is_dir():
        return 0
    return len(filecmp.cmpfiles(one, other, names, shallow=False)[0])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
