"""What is done with one letter, apart from storing it: opened, read, checked. For several threads."""

import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509

from headless.inventory.collect.arrival import Arrival
from headless.inventory.collect.checks import check_letter, check_report, check_sender
from headless.inventory.collect.feeds import Feed
from headless.inventory.collect.identities import read_certificates, read_identities
from headless.inventory.collect.kept import Fate, Record
from headless.inventory.collect.opening import Opened, open_body
from headless.inventory.collect.reading import Reader
from headless.inventory.collect.settings import CollectorSettings
from headless.inventory.collect.spool import Letter
from headless.inventory.report import BadReport
from headless.inventory.seal import is_sealed, is_signed

__all__ = ["Processor", "Ready"]

LONGEST_NAME = 255
log = logging.getLogger("headless.inventory")


@dataclass(frozen=True, slots=True)
class Ready:
    """A letter whose report can be stored."""

    letter: Letter
    arrival: Arrival


class Processor:
    """Opens, reads and checks."""

    def __init__(self, settings: CollectorSettings) -> None:
        """Raises:
        ParameterError: a key or a certificate cannot be read.
        """
        self._settings = settings
        self._identities = read_identities(settings.keys)
        self._signers: dict[str, Sequence[x509.Certificate]] = {
            name: read_certificates(feed.signers) for name, feed in settings.feeds.items()
        }
        self._reader = Reader(settings.max_packages)

    def is_wrapped(self, body: bytes) -> bool:
        """Whether it is sealed or signed."""
        return is_sealed(body) or is_signed(body)

    def process(self, letter: Letter) -> Ready | Record:
        """Make a letter ready to be stored, or say why not. Never raises: one letter must not stop the others."""
        host = site = ""
        try:
            arrival, opened, feed = self._read(letter)
            host, site = _tidy_name(arrival.report.host), _tidy_name(arrival.report.site)
            check_report(arrival, opened, feed)
            return Ready(letter, arrival)
        except BadReport as exc:
            return Record(letter, Fate.REFUSED, str(exc), host, site=site)
        except Exception as exc:
            log.exception("bug while opening a report")
            return Record(letter, Fate.REFUSED, f"a bug in headless: {type(exc).__name__}", host, site=site)

    def _read(self, letter: Letter) -> tuple[Arrival, Opened, Feed]:
        how, largest = letter.how, self._settings.max_report
        feed = check_sender(letter, self._settings.feeds.get(how.feed))
        check_letter(letter, largest)
        signed_by = None if how.any_age else how.received
        opened = open_body(letter.body, self._identities, self._signers[feed.name], signed_by)
        check_letter(Letter(how, opened.content), largest)
        arrival = self._reader.read(opened.content, how.received, replaces=letter.replaces)
        return dataclasses.replace(_name_site(arrival, feed), any_age=how.any_age), opened, feed


def _tidy_name(name: str) -> str:
    """A name that nobody has checked, as it can be kept and logged."""
    return name[:LONGEST_NAME].encode("utf-8", "replace").decode()


def _name_site(arrival: Arrival, feed: Feed) -> Arrival:
    if arrival.report.site or not feed.site:
        return arrival
    return dataclasses.replace(arrival, report=dataclasses.replace(arrival.report, site=feed.site))
