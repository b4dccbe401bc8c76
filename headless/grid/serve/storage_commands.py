"""Commands about storages and what is on them: whereis, listSEs, listSEDistance, setSite, testSE, xrdstat."""

import asyncio
import uuid
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from sqlalchemy import Connection, func, select

from headless.grid.errnos import EINVAL, EISDIR, ENODATA, ENOENT, ENOTSUP, EPERM, EREMOTEIO
from headless.grid.messages import GridError, Row
from headless.grid.serve.arguments import parse_arguments, take_values
from headless.grid.serve.bookings import list_faults, list_replicas
from headless.grid.serve.call import Call, Command, Rows
from headless.grid.serve.entries import Entry
from headless.grid.serve.lookup import look_up
from headless.grid.serve.members import find_member
from headless.grid.serve.paths import resolve
from headless.grid.serve.permissions import check_access
from headless.grid.serve.schema import entries, replicas
from headless.grid.serve.stores import Store
from headless.grid.serve.xrootd import Found

__all__ = ["COMMANDS", "SHOWN", "describe_stores", "require_store"]

UP, DOWN, READ_ONLY = "online", "offline", "read-only"
SHOWN = {UP: "", DOWN: "  away", READ_ONLY: "  read-only"}


async def require_store(call: Call, name: str) -> Store:
    """The storage of this name, or number.

    Raises:
        GridError: ENOENT.
    """
    for store in await call.grid.stores.list_all():
        if name.upper() == store.name.upper() or name == str(store.number):
            return store
    raise GridError(ENOENT, f"there is no storage {name}: listSEs shows them")


def find_file(connection: Connection, call: Call, word: str) -> tuple[Entry, dict[str, str]]:
    """A file that the session may read, and its replicas.

    Raises:
        GridError: ENOENT, EACCES, EISDIR.
    """
    entry = look_up(connection, call.session, resolve(call.session, word))
    if entry.is_folder:
        raise GridError(EISDIR, entry.path)
    check_access(call.session, entry, "r")
    return entry, list_replicas(connection, entry.guid)


async def _place(call: Call, found: dict[str, str]) -> list[tuple[Store, str]]:
    return [(store, found[store.name]) for store in await call.grid.stores.list_all() if store.name in found]


async def _whereis(call: Call) -> Rows:
    arguments = parse_arguments(call.options, "grl")
    (word,) = arguments.require_words(1, 1)
    entry = None
    if "g" in arguments.flags:
        _check_guid(word)
        found = await call.grid.catalogue.read(lambda connection: _find_guid(connection, call, word.lower()))
    else:
        entry, found = await call.grid.catalogue.read(partial(find_file, call=call, word=word))
    guid = entry.guid if entry else word.lower()
    faults = await call.grid.catalogue.read(lambda connection: list_faults(connection, guid))
    name = entry.path if entry else word
    heading = f"the file {name.rsplit('/', 1)[-1]} is in\n"
    rows: list[Row] = []
    places = [(str(store.number), store.name, store.locate(pfn)) for store, pfn in await _place(call, found)]
    if not places and entry is not None:
        places = await _place_member(call, entry, resolve_archive="r" in arguments.flags)
    for number, storage, pfn in places:
        line = f"\tSE => {storage:<25} pfn => {pfn}"
        message = line if not rows else "\n" + line
        message = (heading + "\n" if not rows else "") + message
        fault = {"fault": faults[storage]} if storage in faults else {}
        rows.append({"seNumber": number, "seName": storage, "pfn": pfn, **fault, "message": message})
    return rows or [{"message": f"{name} has no replica"}]


async def _place_member(call: Call, entry: Entry, *, resolve_archive: bool) -> list[tuple[str, str, str]]:
    """Where a member of an archive is: in the archive; or, on request, where that is."""
    member = await call.grid.catalogue.read(lambda connection: find_member(connection, entry.guid))
    if member is None:
        return []
    if not resolve_archive:
        return [("0", "no_se", member.pfn)]
    found = await call.grid.catalogue.read(lambda connection: list_replicas(connection, member.archive))
    return [
        (str(store.number), store.name, f"{store.locate(pfn)}#{member.name}")
        for store, pfn in await _place(call, found)
    ]


def _check_guid(text: str) -> None:
    try:
        uuid.UUID(text)
    except ValueError as exc:
        raise GridError(EINVAL, f"{text!r} is no GUID") from exc


def _find_guid(connection: Connection, call: Call, guid: str) -> dict[str, str]:
    path = connection.execute(select(entries.c.path).where(entries.c.guid == guid).limit(1)).scalar()
    if path is None:
        raise GridError(ENOENT, guid)
    return find_file(connection, call, path)[1]


async def _list_ses(call: Call) -> Rows:
    given, rest = take_values(call.options, ("-qos", "-s"))
    parse_arguments(rest).require_words(0, 0)
    wanted = given.get("-s", "").upper().split(",") if "-s" in given else []
    stores = [
        store
        for store in await call.grid.stores.list_all()
        if (given.get("-qos", "") in ("", *store.qos)) and (not wanted or store.name.upper() in wanted)
    ]
    names = {store.name for store in stores}
    rows = [row for row in await describe_stores(call) if row["seName"] in names]
    if rows:
        rows[0]["message"] = HEADING + "\n" + rows[0]["message"]
    return rows


async def describe_stores(call: Call) -> list[dict[str, str]]:
    """All storages with their room, as ``listSEs`` shows them."""
    used = await call.grid.catalogue.read(_count_used)
    stores = await call.grid.stores.list_all()
    return await asyncio.gather(*(_describe(call, store, *used.get(store.name, (0, 0))) for store in stores))


HEADING = f"{'SE name':<28} {'number':>6} {'used':>16} {'free':>16} {'total':>16} {'files':>10} QoS, endpoint"


def _count_used(connection: Connection) -> dict[str, tuple[int, int]]:
    contents = select(entries.c.guid, func.max(entries.c.size).label("size")).group_by(entries.c.guid).subquery()
    query = (
        select(replicas.c.storage, func.count(), func.coalesce(func.sum(contents.c.size), 0))
        .join(contents, contents.c.guid == replicas.c.guid)
        .group_by(replicas.c.storage)
    )
    return {name: (count, int(size)) for name, count, size in connection.execute(query)}


async def _describe(call: Call, store: Store, files: int, used: int) -> dict[str, str]:
    status = UP if await call.grid.stores.list_up([store]) else DOWN
    if status == UP and store not in await call.grid.stores.list_writable():
        status = READ_ONLY
    total, free = used, 0  # of one that is away nobody knows; nothing can be written there either
    if status != DOWN:
        with suppress(GridError):
            total, free = await call.grid.storage_client.read_space(store)
    qos = ",".join(store.qos)
    row = {
        "seName": store.name,
        "seNumber": str(store.number),
        "totalSpace": str(total),
        "usedSpace": str(used),
        "freeSpace": str(free),
        "fileCount": str(files),
        "demoteRead": "0.0",
        "demoteWrite": "0.0",
        "qos": qos,
        "endpointUrl": store.url,
        "status": status,
    }
    line = f"{store.name:<28} {store.number:>6} {used:>16} {free:>16} {total:>16} {files:>10} {qos}, {store.url}"
    return {**row, "message": line + SHOWN[status]}


async def _list_distance(call: Call) -> Rows:
    given, rest = take_values(call.options, ("-site",))
    parse_arguments(rest).require_words(0, 1)
    site = given.get("-site", call.session.site).upper()
    stores = sorted(await call.grid.stores.list_all(), key=lambda store: store.site.upper() != site)
    return [_show_distance(store, "0.0" if store.site.upper() == site else "1.0") for store in stores]


def _show_distance(store: Store, distance: str) -> Row:
    row = {"seNumber": str(store.number), "seName": store.name, "distance": distance}
    return row | {"message": f"{store.name:<28} (distance {distance})"}


async def _set_site(call: Call) -> Rows:
    (site,) = parse_arguments(call.options).require_words(1, 1)
    call.session.site = site
    return []


async def _test_se(call: Call) -> Rows:
    """Write, read, remove: with nothing but what any file takes, so that what works here works for users."""
    arguments = parse_arguments(call.options, "av")
    if not arguments.words and "a" not in arguments.flags:
        raise GridError(EINVAL, "name storages, or say -a for all")
    every = await call.grid.stores.list_all()
    stores = every if "a" in arguments.flags else [await require_store(call, name) for name in arguments.words]
    return [row for store in stores for row in await _test(call, store)]


async def _test(call: Call, store: Store) -> Sequence[Row]:
    client, path = call.grid.storage_client, f"/00/00000/{uuid.uuid4()}"
    try:
        if not await call.grid.stores.list_up([store]):
            raise GridError(EREMOTEIO, "it takes no connections")
        await client.write_small(store, path, b"a test of this storage\n")
        found = await client.find(store, path)
        await client.remove(store, path)
        if found is None or found.size == 0:
            raise GridError(EREMOTEIO, "what was written is not there")
    except GridError as exc:
        call.fail(GridError(EREMOTEIO, f"{store.name}: {exc}"))
        return [{"seName": store.name, "status": "fail", "message": f"{store.name}: fail: {exc}"}]
    return [{"seName": store.name, "status": "ok", "message": f"{store.name}: write, read, remove: ok"}]


async def _xrdstat(call: Call) -> Rows:
    given, rest = take_values(call.options, ("-s",))
    arguments = parse_arguments(rest, "dcivpoO46")
    wanted = {name.upper() for name in given.get("-s", "").split(",") if name}
    rows: list[Row] = []
    for word in arguments.require_words():
        try:
            entry, found = await call.grid.catalogue.read(partial(find_file, call=call, word=word))
        except GridError as exc:
            call.fail(exc)
            continue
        places = [
            (store, pfn) for store, pfn in await _place(call, found) if not wanted or store.name.upper() in wanted
        ]
        if not places:
            call.fail(GridError(ENODATA, f"{entry.path} has no such replica"))
        rows += [await _ask(call, entry, store, pfn, "c" in arguments.flags) for store, pfn in places]
    return rows


async def _ask(call: Call, entry: Entry, store: Store, pfn: str, with_sum: bool) -> Row:
    """What the storage itself says of a replica."""
    row = {"seName": store.name, "seNumber": str(store.number), "pfn": store.locate(pfn)}
    row |= dict.fromkeys(("statResponse", "errorMessage", "warningMessage", "failedCommand"), "")
    try:
        answer = await _look(call, store, pfn, with_sum)
        status, said = _judge(entry, *answer)
        row |= {"status": status, "statResponse": said, "downloadSize": str(answer[0].size if answer[0] else 0)}
        if status == "error":
            row["errorMessage"] = said
    except GridError as exc:
        row |= {"status": DOWN, "errorMessage": str(exc), "failedCommand": f"xrdfs {store.url} stat {pfn}"}
    if row["status"] != UP:
        call.fail(GridError(EREMOTEIO, f"{entry.path}: {store.name}: {row['errorMessage']}"))
    shown = row["statResponse"] or row["errorMessage"]
    return row | {"message": f"{store.name:<28} {row['pfn']}  {row['status']}  {shown}"}


async def _look(call: Call, store: Store, pfn: str, with_sum: bool) -> tuple[Found | None, str]:
    client = call.grid.storage_client
    if not await call.grid.stores.list_up([store]):
        raise GridError(EREMOTEIO, f"{store.name} takes no connections")
    found = await client.find(store, pfn)
    return found, await client.read_md5(store, pfn) if found and with_sum else ""


def _judge(entry: Entry, found: Found | None, md5: str) -> tuple[str, str]:
    if found is None:
        return "error", "there is no such file"
    if found.size != entry.size:
        return "error", f"the file has {found.size} bytes, not {entry.size}"
    if md5 and entry.md5 and md5 != entry.md5:
        return "error", f"the MD5 sum is {md5}, not {entry.md5}"
    return UP, f"size {found.size}" + (f" md5 {md5}" if md5 else "") + f", {found.took_ms} ms"


async def _random_pfns(call: Call) -> Rows:
    given, rest = take_values(call.options, ("-n", "-s"))
    parse_arguments(rest).require_words(0, 0)
    count = given.get("-n", "10")
    if not (count.isascii() and count.isdecimal() and 0 < int(count) <= 1000):
        raise GridError(EINVAL, f"-n {count!r}: give 1 to 1000")
    if not call.session.user.is_admin:
        raise GridError(EPERM, "randomPFNs is for administrators")
    stores = {store.name: store for store in await call.grid.stores.list_all()}
    wanted = [(await require_store(call, given["-s"])).name] if "-s" in given else list(stores)
    query = select(replicas).where(replicas.c.storage.in_(wanted)).order_by(func.random()).limit(int(count))
    found = await call.grid.catalogue.read(lambda connection: connection.execute(query).all())
    urls = [(row.guid, row.storage, stores[row.storage].locate(row.pfn)) for row in found]
    return [{"guid": guid, "seName": name, "pfn": url, "message": f"{guid} {name} {url}"} for guid, name, url in urls]


async def _resync_ldap(call: Call) -> Rows:
    raise GridError(ENOTSUP, "this grid has no LDAP: users are made with 'headless grid pki user'")


COMMANDS = {
    "whereis": Command(
        _whereis,
        "whereis [-g] [-r] [-l] LFN: the replicas of a file\n  -g  of a GUID\n  -r  of the archive that it is in",
    ),
    "listSEs": Command(_list_ses, "listSEs [-qos CLASS] [-s SE1,SE2]: the storages, and their room"),
    "listSEDistance": Command(
        _list_distance, "listSEDistance [-site SITE] [read|write]: the storages, near ones first"
    ),
    "setSite": Command(_set_site, "setSite SITE: where this session is; storages of this site come first"),
    "testSE": Command(_test_se, "testSE -a | SE...: write, read and remove a file there"),
    "xrdstat": Command(
        _xrdstat, "xrdstat [-c] [-s SE1,SE2] LFN...: what the storages say of a file\n  -c  its MD5 sum too"
    ),
    "randomPFNs": Command(_random_pfns, "randomPFNs [-n COUNT] [-s SE]: replicas by chance, to be checked"),
    "resyncLDAP": Command(_resync_ldap, "resyncLDAP: there is no LDAP here"),
}
