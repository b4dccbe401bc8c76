"""The commands mirror, deleteMirror and listTransfer: more replicas of a file, or fewer."""

from functools import partial

from sqlalchemy import Connection, delete

from headless.grid.errnos import EBADFD, EINVAL, EISDIR, ENOENT, EPERM
from headless.grid.messages import GridError, Row
from headless.grid.serve.arguments import parse_arguments, take_values
from headless.grid.serve.bookings import list_faults, list_replicas
from headless.grid.serve.call import Call, Command, Rows
from headless.grid.serve.entries import Entry
from headless.grid.serve.lookup import expand, look_up
from headless.grid.serve.permissions import check_access
from headless.grid.serve.placing import choose_targets, parse_wish
from headless.grid.serve.schema import orphans, replicas
from headless.grid.serve.storage_commands import require_store
from headless.grid.serve.transfers import Transfer, list_transfers, queue

__all__ = ["COMMANDS"]

SHOWN = 100
MIRROR = """mirror [-S WISHES] LFN... [SE]: have more replicas made, in the background; listTransfer tells of it
  -S  storages as for access: disk:1,VO::SITE::NAME"""
DELETE = "deleteMirror LFN SE: remove one replica; never the last one that is whole"
LIST = "listTransfer [-u USER] [-id NUMBER]: replicas that are being made, or were"


async def _mirror(call: Call) -> Rows:
    given, rest = take_values(call.options, ("-S",))
    words = list(parse_arguments(rest, "fg").require_words())
    names = given.get("-S", "")
    if not names:
        if len(words) < 2:
            raise GridError(EINVAL, "name a storage behind the file, or give -S")
        names = (await require_store(call, words.pop())).name
    wish = parse_wish(names)
    if not (wish.counts or wish.named):
        raise GridError(EINVAL, f"-S {names!r}: name storages or classes")
    stores = await call.grid.stores.list_all()

    def order(connection: Connection, word: str) -> list[tuple[str, str, int]]:
        made = []
        for path in expand(connection, call.session, word):
            entry = _find_own(connection, call, path)
            taken = list_replicas(connection, entry.guid)
            if not taken:
                raise GridError(EBADFD, f"{path} has no replica to copy")
            targets = choose_targets([store for store in stores if store.name not in taken], wish, call.session.site)
            if not targets:
                raise GridError(EBADFD, f"{path}: no storage of those that were asked for lacks it")
            user = call.session.user.name
            made += [(path, store.name, queue(connection, user, path, entry.guid, store.name)) for store in targets]
        return made

    rows: list[Row] = []
    for word in words:
        try:
            made = await call.grid.catalogue.write(partial(order, word=word))
        except GridError as exc:
            call.fail(exc)
            continue
        rows += [{"message": f"{storage}: queued transfer ID {number}"} for _, storage, number in made]
    return rows


def _find_own(connection: Connection, call: Call, path: str) -> Entry:
    entry = look_up(connection, call.session, path)
    if entry.is_folder:
        raise GridError(EISDIR, path)
    check_access(call.session, entry, "w")
    return entry


async def _delete_mirror(call: Call) -> Rows:
    word, name = parse_arguments(call.options, "g").require_words(2, 2)
    store = await require_store(call, name)

    def remove(connection: Connection) -> list[str]:
        removed = []
        for path in expand(connection, call.session, word):
            entry = _find_own(connection, call, path)
            found = list_replicas(connection, entry.guid)
            if store.name not in found:
                raise GridError(ENOENT, f"{path} has no replica at {store.name}")
            if len(found) == 1:
                raise GridError(EPERM, f"{path}: this is its last replica: use rm")
            broken = list_faults(connection, entry.guid).keys()
            if store.name not in broken and broken >= found.keys() - {store.name}:
                raise GridError(
                    EPERM, f"{path}: this is its last replica that is not broken: mirror it first, or use rm"
                )
            same = (replicas.c.guid == entry.guid) & (replicas.c.storage == store.name)
            connection.execute(delete(replicas).where(same))
            connection.execute(orphans.insert().values(storage=store.name, pfn=found[store.name]))
            removed.append(path)
        return removed

    return [{"message": f"{path}: removed from {store.name}"} for path in await call.grid.catalogue.write(remove)]


async def _list_transfer(call: Call) -> Rows:
    given, rest = take_values(call.options, ("-id",))
    arguments = parse_arguments(rest, "", "u")
    user = arguments.values.get("u", call.session.user.name)
    if user != call.session.user.name and not call.session.user.is_admin:
        raise GridError(EPERM, "transfers of others are for administrators")
    text = given.get("-id", "")
    if text and not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise GridError(EINVAL, f"-id {text!r}: give a number")
    owner = None if user == "%" else user
    number = int(text) if text else None
    found = await call.grid.catalogue.read(lambda connection: list_transfers(connection, owner, number, SHOWN))
    return [_show(transfer) for transfer in found]


def _show(transfer: Transfer) -> Row:
    message = f"{transfer.id:>8} {transfer.state:<8} {transfer.user:<12} {transfer.storage:<28} {transfer.path}"
    return {
        "id": str(transfer.id),
        "status": transfer.state,
        "user": transfer.user,
        "destination": transfer.storage,
        "path": transfer.path,
        "attempts": str(transfer.tries),
        "error": transfer.reason,
        "message": message + (f"  {transfer.reason}" if transfer.reason else ""),
    }


COMMANDS = {
    "mirror": Command(_mirror, MIRROR),
    "deleteMirror": Command(_delete_mirror, DELETE),
    "listTransfer": Command(_list_transfer, LIST),
}
