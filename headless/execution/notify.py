"""What systemd is told, and what it hands over: sd_notify(3) and sd_listen_fds(3), without libsystemd."""

import contextlib
import os
import socket
import sys
import time

if sys.platform == "win32":
    raise ImportError("the server runs on POSIX systems only: give --service HOST:PORT of one")

__all__ = ["FIRST_FD", "Notifier"]

FIRST_FD = 3  # SD_LISTEN_FDS_START


class Notifier:
    """Tells the service manager how the server is; without one, nothing happens."""

    def __init__(self, address: str, ready_fd: int | None = None) -> None:
        """Args:
        address: ``NOTIFY_SOCKET``; empty if nobody listens. A leading ``@`` means the abstract namespace.
        ready_fd: a pipe on which whoever started this server waits for one line.
        """
        self._ready_fd = ready_fd
        self._address = "\0" + address[1:] if address.startswith("@") else address

    def ready(self, status: str, line: str = "ready") -> None:
        """The server takes sessions now.

        Args:
            status: one line for ``systemctl status``.
            line: for who waits at the pipe.
        """
        self._send(f"READY=1\nSTATUS={status}")
        if self._ready_fd is not None:
            with contextlib.suppress(OSError):  # it has not waited: the server is of use to others
                os.write(self._ready_fd, f"{line}\n".encode())
                os.close(self._ready_fd)
            self._ready_fd = None

    def reloading(self) -> None:
        """Settings are being read again; :meth:`ready` follows."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, status: str) -> None:
        """The server drains or ends."""
        self._send(f"STOPPING=1\nSTATUS={status}")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            try:
                channel.sendto(text.encode(), self._address)
            except OSError:
                return  # a manager that does not listen changes nothing for the jobs
