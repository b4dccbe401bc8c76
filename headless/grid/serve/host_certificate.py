"""The server's own certificate: made anew ahead of its end, and taken up while the server runs."""

import logging
import os
import sys

from headless.grid.serve.grid import Grid
from headless.grid.serve.pki import Authority
from headless.grid.serve.pki_files import ensure_host
from headless.transport.tls import build_server_context

if sys.platform == "win32":
    raise ImportError("a grid of one's own runs on POSIX systems only")

__all__ = ["HostCertificate"]

log = logging.getLogger("headless.grid")


class HostCertificate:
    """What the server shows to its clients.

    Attributes:
        context: for its connections; new ones see what has been taken up.
    """

    def __init__(self, authority: Authority) -> None:
        """Take what is there, or make it.

        Raises:
            ParameterError: what is there is no certificate.
            OSError: it could not be read or written.
        """
        self._authority = authority
        pair = ensure_host(authority)
        self.context = build_server_context(*pair, os.path.join(authority.folder, "ca.pem"), need_client=True)
        self._taken = _describe(pair)

    async def renew(self, _: Grid) -> None:
        """Make it anew if it ends soon, and take up what ``pki host`` has made; what fails is tried again."""
        try:
            pair = ensure_host(self._authority)
            found = _describe(pair)
            if found != self._taken:
                self.context.load_cert_chain(*pair)
                self._taken = found
                log.info("host-certificate-taken file=%s", pair[0])
        except OSError as exc:  # ssl's errors are some: one of the two files may be written just now
            log.error("host-certificate-failed reason=%r", str(exc))


def _describe(pair: tuple[str, str]) -> list[tuple[int, int]]:
    return [(status.st_ino, status.st_mtime_ns) for status in map(os.stat, pair)]
