"""Who was removed, and when: a certificate of before that stays refused, also once the name is given again.

Kept beside the authority, a file a name, and not in the catalogue: neither a new one nor an older copy of it lets the
old certificates in. By their time, not by their numbers: tokens are certificates too, and no list is kept of either.
"""

import os
import time

from cryptography import x509

from headless.errors import Unavailable
from headless.execution.files import write_atomically
from headless.grid.serve.pki import find_issued

__all__ = ["Removals"]

FOLDER = "removed"
SPARE_S = 1  # in which a session that is about to be ended may still get a token


class Removals:
    """A folder of them, in the authority's."""

    def __init__(self, pki: str) -> None:
        """Args:
        pki: the authority's folder.
        """
        self._folder = os.path.join(pki, FOLDER)

    def note(self, name: str) -> None:
        """From now on all that was issued to a user is refused.

        Args:
            name: one that ``registration.check_name`` takes.

        Raises:
            OSError: it could not be written.
        """
        os.makedirs(self._folder, 0o700, exist_ok=True)
        write_atomically(os.path.join(self._folder, name), b"%d\n" % (int(time.time()) + SPARE_S))

    def find(self, name: str) -> int | None:
        """The last second of what is refused, since 1970; ``None``: the user was never removed.

        Raises:
            Unavailable: it is not known.
        """
        path = os.path.join(self._folder, name)
        try:
            with open(path, encoding="ascii") as file:
                return int(file.read())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as exc:
            raise Unavailable(f"when {name} was removed cannot be read: {path}: {exc}") from exc

    def refuses(self, name: str, issued: float) -> bool:
        """Whether a certificate is of before a user's removal.

        Args:
            name: of the user.
            issued: when it was issued, seconds since 1970.

        Raises:
            Unavailable: it is not known.
        """
        last = self.find(name)
        return last is not None and issued <= last

    def refuses_certificate(self, name: str, certificate: x509.Certificate) -> bool:
        """:meth:`refuses`, of a certificate of the grid's authority."""
        return self.refuses(name, find_issued(certificate))
