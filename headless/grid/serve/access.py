"""The command access: leave to read a file where it is, or to write one where there is room."""

import uuid
from functools import partial

from sqlalchemy import Connection

from headless.grid.errnos import EBADFD, EFBIG, EINVAL, EIO, EISDIR, ENOSPC
from headless.grid.messages import GridError, Row
from headless.grid.serve.arguments import parse_arguments
from headless.grid.serve.bookings import Booking, book, check_same, check_way, list_replicas, name_pfn
from headless.grid.serve.call import Call, Command, Rows
from headless.grid.serve.entries import Entry, now_ms
from headless.grid.serve.envelopes import READ, WRITE
from headless.grid.serve.lookup import look_up
from headless.grid.serve.members import Member, find_member
from headless.grid.serve.paths import resolve
from headless.grid.serve.permissions import check_access
from headless.grid.serve.placing import Wish, choose_sources, choose_targets, parse_wish
from headless.grid.serve.stores import Store

__all__ = ["COMMANDS", "book_replicas", "read_whole"]

HEX = frozenset("0123456789abcdef")
USAGE = """access [OPTIONS] read|write LFN [WISHES]: leave to read or write a file, one row a replica
  WISHES   disk:2,VO::SITE::NAME,!VO::SITE::NAME
  -s SIZE  of the file to write, in bytes
  -m MD5   of the file to write
  -j ID    the job that writes it
  -f       only as wished: named storages only, and no fewer replicas than wanted
  -u       is accepted, and changes nothing: there are no other URLs"""


async def _access(call: Call) -> Rows:
    arguments = parse_arguments(call.options, "fu", "smj")
    kind, lfn, *wishes = arguments.require_words(2)
    if kind not in ("read", "write"):
        raise GridError(EINVAL, f"{kind!r}: say read or write")
    wish, is_strict = parse_wish(",".join(wishes)), "f" in arguments.flags
    path = resolve(call.session, lfn)
    if kind == "read":
        return await _read(call, path, wish, is_strict)
    md5 = arguments.values.get("m", "").lower()
    if md5 and (len(md5) != 32 or set(md5) - HEX):
        raise GridError(EINVAL, f"-m {md5!r}: an MD5 sum has 32 hex digits")
    job_id = arguments.number("j", 0) or call.session.job_id
    return await _write(call, path, wish, is_strict, arguments.number("s", 0), md5, job_id)


async def _read(call: Call, path: str, wish: Wish, is_strict: bool) -> Rows:
    entry, found, member = await call.grid.catalogue.read(partial(_find_readable, call=call, path=path))
    stores = [store for store in await call.grid.stores.list_all() if store.name in found]
    sources = choose_sources(stores, wish, call.session.site, is_strict=is_strict)
    up = await call.grid.stores.list_up(sources)
    if not up:
        raise GridError(EBADFD, f"No read PFNs: {path} {_tell_missing(stores, sources)}")
    user, lifetime = call.session.user.name, call.grid.settings.envelope_lifetime_s
    build = call.grid.envelopes.build
    name = member.name if member else ""
    return [
        _show(
            store, found[store.name], build(store.name, found[store.name], user, READ, lifetime), entry, len(up), name
        )
        for store in up
    ]


async def read_whole(call: Call, path: str, limit: int) -> bytes:
    """A small file's content, for the server itself, if the session may read it; from the first storage that has it.

    Raises:
        GridError: as ``access read``; EFBIG: it has more than ``limit`` bytes; EIO: no storage gives it whole.
    """
    entry, found, member = await call.grid.catalogue.read(partial(_find_readable, call=call, path=path))
    if member is not None:
        raise GridError(EINVAL, f"{path} is a member of an archive: copy it to a file of its own first")
    if entry.size > limit:
        raise GridError(EFBIG, f"{path} has {entry.size} bytes, at most {limit} can be read here")
    stores = [store for store in await call.grid.stores.list_all() if store.name in found]
    for store in await call.grid.stores.list_up(stores):
        try:
            data = await call.grid.storage_client.read(store, found[store.name], limit)
        except GridError as exc:
            call.fail(exc)
            continue
        if len(data) == entry.size:
            call.failure = None
            return data
    raise call.failure or GridError(EIO, f"{path} {_tell_missing(stores, stores)}")


def _find_readable(connection: Connection, call: Call, path: str) -> tuple[Entry, dict[str, str], Member | None]:
    """A file, where its bytes are, and the archive that they are in."""
    entry = look_up(connection, call.session, path)
    if entry.is_folder:
        raise GridError(EISDIR, path)
    check_access(call.session, entry, "r")
    if found := list_replicas(connection, entry.guid):  # a member may have been stored by itself since
        return entry, found, None
    member = find_member(connection, entry.guid)
    if member is None:
        return entry, {}, None
    found = list_replicas(connection, member.archive)
    if not found:
        raise GridError(EBADFD, f"No read PFNs: {path}: the archive that it was in is gone")
    return entry, found, member


def _tell_missing(stores: list[Store], sources: list[Store]) -> str:
    if not stores:
        return "has no replica"
    names = ", ".join(store.name for store in stores)
    return f"is on {names}: {'no storage answers' if sources else 'none of those that were asked for'}"


async def _write(call: Call, path: str, wish: Wish, is_strict: bool, size: int, md5: str, job_id: int | None) -> Rows:
    rows = await book_replicas(call, path, wish, is_strict, size, md5, job_id)
    build, lifetime = call.grid.envelopes.build, call.grid.settings.envelope_lifetime_s
    return [
        _show(store, made.pfn, build(store.name, made.pfn, made.user, WRITE, lifetime, made.id), made, len(rows))
        for store, made in rows
    ]


async def book_replicas(
    call: Call, path: str, wish: Wish, is_strict: bool, size: int, md5: str, job_id: int | None
) -> list[tuple[Store, Booking]]:
    """Book the replicas of one file where they are wished for; at least one.

    Raises:
        GridError: EBADFD: no storage takes it; ENOSPC: none has room; EACCES, EEXIST, EDQUOT, ENOTDIR.
    """
    grid, session = call.grid, call.session
    up = await grid.stores.list_writable()
    roomy = grid.stores.list_with_room(up, size)
    lifetime = grid.settings.envelope_lifetime_s

    def decide(connection: Connection) -> list[tuple[Store, Booking]]:
        existing = check_way(connection, session, path)
        if existing is not None:
            check_same(session, existing, size, md5)
        taken = list_replicas(connection, existing.guid) if existing else {}
        free = [store for store in up if store.name not in taken]
        targets = choose_targets([store for store in free if store in roomy], wish, session.site)
        wanted = sum(wish.counts.values()) + len(wish.named)
        if not targets or (is_strict and len(targets) < wanted):
            if full := [store.name for store in choose_targets(free, wish, session.site) if store not in roomy]:
                raise GridError(ENOSPC, f"No write PFNs: there is no room for {size} bytes on {', '.join(full)}")
            raise GridError(EBADFD, f"No write PFNs: {len(targets)} of the storages that were asked for take files")
        guid = existing.guid if existing else str(uuid.uuid4())
        # Another replica gets a name that nothing which is being removed can have.
        pfn = name_pfn(str(uuid.uuid4()) if existing else guid)
        made = [
            Booking(
                id=uuid.uuid4().hex,
                user=session.user.name,
                path=path,
                guid=guid,
                storage=store.name,
                pfn=pfn,
                size=size,
                md5=md5,
                job_id=job_id,
                expires_ms=now_ms() + int(lifetime * 1000),
            )
            for store in targets
        ]
        book(connection, grid.settings, made, is_new=existing is None)
        return list(zip(targets, made, strict=True))

    return await grid.catalogue.write(decide)


def _show(store: Store, pfn: str, envelope: str, what: Entry | Booking, count: int, member: str = "") -> Row:
    url = store.locate(pfn) + (f"#{member}" if member else "")
    return {
        "envelope": envelope,
        "url": url,
        "guid": what.guid,
        "se": store.name,
        "tags": ",".join(store.qos),
        "nSEs": str(count),
        "md5": what.md5,
        "size": str(what.size),
        "message": f"{store.name} {url}\n{envelope}",
    }


COMMANDS = {"access": Command(_access, USAGE)}
