"""The commands commit and registerOutput: what was written becomes a file of the catalogue."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from headless.grid.errnos import EACCES, EBADR, EINVAL, ENODATA
from headless.grid.messages import GridError, Row
from headless.grid.serve.arguments import parse_arguments
from headless.grid.serve.bookings import Booking, Content, enter, find_booking, list_open_bookings
from headless.grid.serve.call import Call, Command, Rows
from headless.grid.serve.paths import resolve
from headless.grid.serve.xrootd import Found

__all__ = ["COMMANDS"]

HEX = frozenset("0123456789abcdef")
REGISTERED, FAILED = "1", "0"
USAGE = """commit ENVELOPE [SIZE LFN PERM EXPIRE PFN SE GUID MD5]: enter a file that was written with an envelope
  What is left out is as it was said to 'access'. EXPIRE is in seconds since 1970, 0 for never.
  The same again changes nothing: it may be sent once more where the answer was lost."""


@dataclass(frozen=True)
class _Said:
    """A commit's words; empty texts for what was not said."""

    envelope: str
    size: str = ""
    lfn: str = ""
    perm: str = ""
    expire: str = ""
    pfn: str = ""
    storage: str = ""
    guid: str = ""
    md5: str = ""


async def _commit(call: Call) -> Rows:
    if not 1 <= len(call.options) <= 9:
        raise GridError(EINVAL, "give an envelope, and what commit -h says")
    said = _Said(*call.options)
    if said.size and (not _is_size(said.size)):
        raise GridError(EINVAL, f"the size is {said.size!r}: an empty file has nothing to be committed: use touch")
    try:
        booking = await _register(call, said)
    except GridError as exc:
        call.fail(GridError(EBADR, f"Nothing was registered: {exc}"))
        return [_show(said.lfn, FAILED, said.pfn)]
    return [_show(booking.path, REGISTERED, said.pfn or booking.pfn)]


def _is_size(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 19 and int(text) > 0


def _show(path: str, result: str, pfn: str) -> Row:
    return {"path": path, "lfn": result, "pfn": pfn, "message": f"{path} {result}"}


async def _register(call: Call, said: _Said) -> Booking:
    """All of it.

    Raises:
        GridError: why it is refused.
    """
    claim = call.grid.envelopes.check(said.envelope, "UPLOAD")
    if claim.user != call.session.user.name:
        raise GridError(EACCES, "the access envelope is another user's")

    def describe(booking: Booking) -> Content:
        if (booking.storage, booking.pfn) != (claim.storage, claim.path):
            raise GridError(EACCES, "the access envelope is of no booking: ask for a new one with 'access'")
        return _compare(call, booking, said)

    return await _enter(call, claim.booking, claim.storage, claim.path, describe)


async def _enter(
    call: Call, booking_id: str, storage: str, pfn: str, describe: Callable[[Booking], Content]
) -> Booking:
    """Seal what is stored, then judge and enter it, in one transaction.

    Args:
        call: who enters it.
        booking_id: of the booking.
        storage: where the file is.
        pfn: its path there.
        describe: says what it should be, or refuses.
    """
    sealed = await _seal(call, storage, pfn)

    def decide(connection: Connection) -> Booking:
        booking = find_booking(connection, booking_id)
        if booking is None:
            raise GridError(EACCES, "the access envelope is of no booking: ask for a new one with 'access'")
        if booking.user != call.session.user.name:
            raise GridError(EACCES, "the access envelope is another user's")
        content = describe(booking)
        if not booking.committed:
            _check_sealed(sealed, booking, content)
        enter(connection, call.session, call.grid.settings, booking, content)
        return booking

    return await call.grid.catalogue.write(decide)


def _compare(call: Call, booking: Booking, said: _Said) -> Content:
    """What is to be entered, if what was said is what was booked.

    Raises:
        GridError: EINVAL: it is not.
    """
    size, md5 = int(said.size or booking.size), said.md5.lower() or booking.md5
    same = (
        ("LFN", resolve(call.session, said.lfn) if said.lfn else "", booking.path),
        ("storage", said.storage.upper(), booking.storage.upper()),
        ("GUID", said.guid.lower(), booking.guid),
        ("PFN", said.pfn[-len(booking.pfn) :], booking.pfn),
        ("size", str(size) if booking.size else "", str(booking.size)),
        ("MD5 sum", md5 if booking.md5 else "", booking.md5),
    )
    for what, given, booked in same:
        if given and given != booked:
            raise GridError(EINVAL, f"the {what} is {given}, and access was for {booked}")
    if size <= 0 or (md5 and (len(md5) != 32 or set(md5) - HEX)):
        raise GridError(EINVAL, "size and MD5 sum must be said, to access or to commit")
    return Content(size, md5, _parse_mode(said.perm), _parse_expiry(said.expire))


def _parse_mode(text: str) -> int:
    if not text:
        return 0o644
    if len(text) not in (3, 4) or set(text) - set("01234567"):
        raise GridError(EINVAL, f"permissions {text!r}: give three octal digits")
    return int(text, 8) & 0o777


def _parse_expiry(text: str) -> int | None:
    if not (text or "0").isdecimal() or len(text) > 12:
        raise GridError(EINVAL, f"expiry {text!r}: give seconds since 1970, or 0")
    return int(text or "0") * 1000 or None


async def _seal(call: Call, storage: str, pfn: str) -> Found | GridError | None:
    """Believe nobody that a file is there: ask; and have it stay as it is. Of a commit that is sent again a failure
    means nothing, so it is not raised here.
    """
    store = next((store for store in await call.grid.stores.list_all() if store.name == storage), None)
    if store is None:
        return GridError(EBADR, f"{storage} is not one of this grid's storages any more")
    try:
        return await call.grid.storage_client.seal(store, pfn)
    except GridError as exc:
        return exc


def _check_sealed(sealed: Found | GridError | None, booking: Booking, content: Content) -> None:
    if isinstance(sealed, GridError):
        raise sealed
    if sealed is None:
        raise GridError(EBADR, f"{booking.storage} has no file {booking.pfn}")
    if sealed.size != content.size:
        raise GridError(EBADR, f"the file at {booking.storage} has {sealed.size} bytes, not {content.size}")


async def _register_output(call: Call) -> Rows:
    """What a job has written, and had no time to commit."""
    (text,) = parse_arguments(call.options).require_words(1, 1)
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise GridError(EINVAL, f"{text!r} is no job's number")
    user, job_id = call.session.user.name, int(text)
    found = await call.grid.catalogue.read(lambda connection: list_open_bookings(connection, user, job_id))
    if not found:
        raise GridError(ENODATA, f"job {job_id} of {user} has nothing booked that is not entered")
    rows = []
    for booking in found:
        try:
            await _enter(call, booking.id, booking.storage, booking.pfn, _describe_output)
            rows.append(_show(booking.path, REGISTERED, booking.pfn))
        except GridError as exc:
            call.fail(GridError(EBADR, f"Nothing was registered: {booking.path}: {exc}"))
            rows.append(_show(booking.path, FAILED, booking.pfn))
    return rows


def _describe_output(booking: Booking) -> Content:
    if not booking.size:
        raise GridError(EINVAL, "its size was not said to access")
    return Content(booking.size, booking.md5, 0o644, None)


COMMANDS = {
    "commit": Command(_commit, USAGE),
    "registerOutput": Command(_register_output, "registerOutput JOB: enter what the job has written but not committed"),
}
