"""A session's dialogue: requests in, replies out, in order; long replies in fragments, so that none is kept whole."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Sequence
from functools import partial

from headless.errors import ConnectionFailed, HeadlessError
from headless.grid.errnos import EINVAL, EIO, ENOENT
from headless.grid.messages import GridError, format_metadata, format_rows, parse_request
from headless.grid.serve.call import Call, Page, Rows, Session
from headless.grid.serve.commands import COMMANDS
from headless.grid.serve.grid import Grid
from headless.grid.serve.job_table import is_running
from headless.grid.serve.navigation import change_directory, show_directory
from headless.grid.serve.rate import COMMAND, Rate
from headless.transport.server import Channel

__all__ = ["Dialogue"]

FRAGMENT = 64 * 1024  # characters of a reply that are sent together
FIRST_FRAGMENT = 4 * 1024  # so that whoever waits sees something at once
FRAGMENT_S = 0.05  # seconds after which fewer characters will do
MAX_REQUEST = 130 * 1024  # bytes; JAliEn's own limit
HELP = frozenset({"-h", "-help", "--help"})
GENERAL = frozenset({"-nomsg", "-nokeys", "-silent"}) | HELP  # any command takes them

REFUSED = "refused user=%s source=%s command=%r errno=%d reason=%r"

log = logging.getLogger("headless.grid")


class Dialogue:
    """The dialogue of one session."""

    def __init__(self, grid: Grid, session: Session, channel: Channel, rate: Rate) -> None:
        """Args:
        grid: what its commands work on.
        session: whose commands they are.
        channel: where they come from.
        rate: who has to wait.
        """
        self._grid = grid
        self._session = session
        self._channel = channel
        self._rate = rate
        expires_s = session.expires_at - time.time()
        self._ends_at = time.monotonic() + min(expires_s, grid.settings.session_s)

    async def run(self) -> None:
        """Answer the requests of a session until its connection, or its time, ends.

        Raises:
            ConnectionFailed: that is how it ends.
        """
        while True:
            text = await self._receive()
            await self._check_job()
            wait_s = self._rate.charge(self._session.subject, COMMAND) + self._grid.settings.delay_s
            if wait_s:
                await asyncio.sleep(wait_s)
            pieces = _answer(self._grid, self._session, text)
            first, is_last = await anext(pieces)
            await self._channel.send(first if is_last else _chain(first, pieces))

    async def _receive(self) -> str:
        left_s = self._ends_at - time.monotonic()
        try:
            async with asyncio.timeout(min(left_s, self._grid.settings.idle_s)):
                return await self._channel.receive()
        except TimeoutError as exc:
            await self._channel.close(1013, "Session timed out")
            raise ConnectionFailed("the session's time is over") from exc

    async def _check_job(self) -> None:
        """A job's token ends with the job; so does a session that somebody has kept open with it."""
        session = self._session
        if session.job_id is None:
            return
        running = partial(is_running, job_id=session.job_id, owner=(session.login or session.user).name)
        if not await self._grid.catalogue.read(running):
            await self._channel.close(1008, "the job has ended")
            raise ConnectionFailed("the job has ended")


async def _chain(first: str, rest: AsyncIterator[tuple[str, bool]]) -> AsyncIterator[str]:
    yield first
    async for piece, _ in rest:
        yield piece


async def _answer(grid: Grid, session: Session, text: str) -> AsyncIterator[tuple[str, bool]]:
    """The reply to one request, in pieces; with each whether it is the last."""
    call = Call(grid, session, "", ())
    buffer, separator, enough, sent_at = '{"results":[', "", FIRST_FRAGMENT, time.monotonic()
    try:
        async for page, is_all in _run(call, text):
            if not page:
                continue
            buffer += separator + format_rows(page)
            separator = ","
            if not is_all and (len(buffer) >= enough or time.monotonic() - sent_at > FRAGMENT_S):
                yield buffer, False
                buffer, enough, sent_at = "", FRAGMENT, time.monotonic()
    except GridError as exc:
        call.fail(exc)
    except HeadlessError as exc:
        log.error("command-failed command=%r reason=%r", call.command, str(exc))
        call.fail(GridError(EIO, str(exc)))
    except Exception as exc:
        log.exception("bug in command %r", call.command)
        call.fail(GridError(EIO, f"a bug in the server: {type(exc).__name__}: see its log"))
    code, error = (0, call.note) if call.failure is None else (call.failure.exit_code, _explain(call.failure))
    if code not in (0, ENOENT):  # to ask for what is not there is ordinary
        log.warning(REFUSED, session.user.name, session.source, call.command[:40], code, str(call.failure)[:300])
    more = [("timing_ms", f"{(time.time() - call.started_at) * 1000:.1f}")] if session.has_timing else []
    metadata = format_metadata(code, error, session.role, show_directory(session.directory), more)
    yield f'{buffer}],"metadata":{metadata}}}', True


async def _run(call: Call, text: str) -> AsyncIterator[tuple[Page, bool]]:
    """Do what a request says; its rows with the keys that it wants, and with each page whether it is all there is."""
    if len(text) > MAX_REQUEST or len(text.encode(errors="replace")) > MAX_REQUEST:
        raise GridError(EINVAL, f"Message too big, limit is at {MAX_REQUEST}")
    request = parse_request(text)
    call.command = request.command
    asked = await _take_general(call, request.options)
    command = COMMANDS.get(request.command)
    if command is None:
        raise GridError(ENOENT, f"Command [{request.command}] not found!")
    rows: Rows = [{"message": command.usage}] if asked & HELP else await command.run(call)
    if not isinstance(rows, AsyncIterator):
        yield _take_keys(rows, asked), True
        return
    async for page in rows:
        yield _take_keys(page, asked), False


async def _take_general(call: Call, options: Sequence[str]) -> frozenset[str]:
    """Take out of the options, up to ``--``, those that any command has; ``-pwd=FOLDER`` goes there first."""
    end = options.index("--") if "--" in options else len(options)
    general = [option for option in options[:end] if option in GENERAL or option.startswith(("-pwd=", "-debug="))]
    call.options = [*(option for option in options[:end] if option not in general), *options[end:]]
    for option in general:
        if option.startswith("-pwd="):
            await change_directory(call, option.removeprefix("-pwd="))
    return GENERAL & set(general)


def _take_keys(page: Page, asked: frozenset[str]) -> Page:
    if "-nokeys" in asked:
        page = [{"message": row["message"]} if "message" in row else {} for row in page]
    if "-nomsg" in asked:
        page = [{name: value for name, value in row.items() if name != "message"} for row in page]
    return page


def _explain(error: GridError) -> str:
    return f"{os.strerror(error.exit_code)} : {error}"
