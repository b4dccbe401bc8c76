"""The other side: a real sshd of its own on this machine, with its defaults, and the command that logs in to it."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.measure import Command

__all__ = ["run_sshd"]

START_LIMIT_S = 10.0
PRIVILEGE_SEPARATION = Path("/run/sshd")  # of Debian's sshd; its init script makes it
SERVER_CONFIG = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
StrictModes no
UsePAM no
PidFile none
"""
CLIENT_CONFIG = """\
Host 127.0.0.1
Port {port}
User {user}
IdentityFile {folder}/user_key
IdentitiesOnly yes
UserKnownHostsFile {folder}/known_hosts
BatchMode yes
"""


@contextmanager
def run_sshd(folder: Path) -> Iterator[Command]:
    """Run sshd while the block runs; yield ``ssh 127.0.0.1 PYTHON -I -c pass``, ready to be run.

    Ciphers, key exchange and everything else are the defaults of the two programs; the keys are Ed25519. What is set
    apart from that (no PAM, keys in a folder of the bench) makes ssh faster, if anything.

    Raises:
        RuntimeError: there is no sshd, or it does not start.
    """
    sshd, ssh = shutil.which("sshd", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"), shutil.which("ssh")
    if sshd is None or ssh is None:
        raise RuntimeError("ssh and sshd are needed: install openssh-server and openssh-client")
    port = _find_port()
    _write_files(folder, port)
    has_made_folder = os.geteuid() == 0 and not PRIVILEGE_SEPARATION.exists()
    if has_made_folder:
        PRIVILEGE_SEPARATION.mkdir(mode=0o755)
    with (folder / "sshd.log").open("wb") as log:
        # By its absolute path: sshd runs itself again for each connection.
        server = subprocess.Popen([sshd, "-D", "-e", "-f", str(folder / "sshd_config")], stderr=log)
    try:
        _wait_listening(server, port, folder)
        # The interpreter of our own environment, below it: what the remote side runs is what our jobs run.
        python = os.path.realpath(sys.executable)
        argv = [ssh, "-F", str(folder / "ssh_config"), "127.0.0.1", f"{python} -I -c pass"]
        yield Command(argv, {"PATH": os.defpath, "HOME": str(folder), "LANG": "C"})
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()
        if has_made_folder:
            PRIVILEGE_SEPARATION.rmdir()


def _write_files(folder: Path, port: int) -> None:
    for name in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    values = {"port": port, "folder": folder, "user": getpass.getuser()}
    (folder / "sshd_config").write_text(SERVER_CONFIG.format(**values))
    (folder / "ssh_config").write_text(CLIENT_CONFIG.format(**values))
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {(folder / 'host_key.pub').read_text()}")


def _find_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def _wait_listening(server: "subprocess.Popen[bytes]", port: int, folder: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while server.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"sshd does not start: {(folder / 'sshd.log').read_text()}")
