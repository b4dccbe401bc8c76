"""One session after the other end has connected: the login, then requests until it goes."""

import asyncio
import logging
import platform
import secrets
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import headless
from headless.errors import ConnectionFailed, HeadlessError, ParameterError, ProtocolError, Refused, Unavailable
from headless.job import JobKind
from headless.protocol.codec import (
    INTERNAL_ERROR,
    ErrorResponse,
    Message,
    Request,
    Response,
    decode_bytes,
    encode_message,
)
from headless.protocol.messages import (
    JobCheck,
    JobList,
    JobNamed,
    JobPrune,
    JobRerun,
    JobStart,
    JobUpload,
    JobWatch,
    LoginChallenge,
    LoginNamed,
    LoginProof,
    LoginSalt,
    Parameters,
    parse_parameters,
)
from headless.protocol.session import LOGIN_METHODS, Session, SessionState
from headless.server.audit import AuditAction, AuditLog
from headless.server.history import History
from headless.server.jobs import Jobs
from headless.server.live import LiveJob
from headless.server.login import Account, Door, Login, Peer
from headless.server.watch import follow_job
from headless.transport.server import Channel

if sys.platform == "win32":
    raise ImportError("the server runs on POSIX systems only: give --service HOST:PORT of one")

__all__ = ["ServerSession"]

REFUSED = -32001  # an error of ours, with the launcher's exit code in its data (docs/protocol.md)
TOO_MANY_ERRORS = 20  # malformed messages of one session, until it is closed
MAX_WATCHES = 100  # jobs that one session follows at a time; a launcher follows one

log = logging.getLogger("headless.sessions")


class ServerSession:
    """The server's side of one connection."""

    def __init__(
        self,
        channel: Channel,
        peer: Peer,
        door: Door,
        jobs: Jobs,
        control: Callable[[str], Any],
        on_login: Callable[[], object],
        ping_s: float,
        audit: AuditLog,
    ) -> None:
        """Args:
        channel: the connection.
        peer: what it says of the other side.
        door: to log in by.
        jobs: of this server.
        control: ``control("status")`` and ``control("stop")``, for the owner.
        on_login: called once somebody is logged in.
        ping_s: how often the channel is pinged, in seconds.
        audit: is told who comes in, and who does not.
        """
        self.session_id = secrets.token_hex(4)
        self.account: Account | None = None
        self._channel = channel
        self._peer = peer
        self._jobs = jobs
        self._history = History(jobs)
        self._ping_s = ping_s
        self._audit = audit
        self._control = control
        self._on_login = on_login
        self._session = Session()
        self._door = door
        self._login = Login(door, peer)
        self._upload = ""
        self._max_message = 0
        self._found: LiveJob | None = None
        self._watches: dict[asyncio.Task[None], LiveJob] = {}

    async def run(self, login_timeout_s: float, max_message: int) -> None:
        """Serve the session to its end. Whatever the peer does, this returns.

        Args:
            login_timeout_s: seconds in which it must have logged in.
            max_message: largest message after the login, in bytes.
        """
        self._max_message = max_message
        try:
            await asyncio.wait_for(self._log_in(), login_timeout_s)
            if self.account is not None:
                await self._serve()
        except TimeoutError:
            await self._channel.close(1008, "no login in time")
        except ConnectionFailed:
            pass  # it has gone
        finally:
            for task in self._watches:
                task.cancel()

    async def finish_watches(self) -> None:
        """Wait until this session has been told of all jobs that it follows and that have ended."""
        due = [task for task, job in self._watches.items() if job.state.is_final]
        await asyncio.gather(*due, return_exceptions=True)

    async def _log_in(self) -> None:
        while self._session.state is not SessionState.READY:
            await self._handle(await self._channel.receive())
            if self._session.state is SessionState.CLOSED:
                await self._channel.close(1008, "not logged in")
                return

    async def _serve(self) -> None:
        errors = 0
        while errors < TOO_MANY_ERRORS:
            if not await self._handle(await self._channel.receive()):
                errors += 1
        await self._channel.close(1008, "too many errors")

    async def _handle(self, text: str) -> bool:
        """Answer one message; False if it was malformed."""
        request: Request | None = None
        try:
            request = self._session.receive_text(text)
            self._session.check_allowed(request)
            parameters = parse_parameters(request.method, request.params)
            result = await self._handlers[request.method](self, parameters)
        except HeadlessError as exc:
            await self._answer_error(request, exc)
            return not isinstance(exc, ProtocolError)
        except Exception:
            log.exception("bug session=%s method=%s", self.session_id, request.method if request else "")
            await self._fail(request, ErrorResponse(_read_id(request), INTERNAL_ERROR, "a bug in the server", 70))
            return True
        self._session.succeed(request)
        await self._send(Response(request.id, result))
        if isinstance(parameters, JobWatch) and self._found is not None:
            self._watch(self._found, parameters)
        return True

    async def _answer_error(self, request: Request | None, exc: HeadlessError) -> None:
        if request is not None and request.method in LOGIN_METHODS:
            self._door.refused += 1
            self._audit.record(
                AuditAction.REFUSED_LOGIN, user=self._login.attempted, origin=self._peer.source, reason=str(exc)
            )
            log.warning(
                "refused session=%s from=%s user=%r method=%s reason=%r",
                self.session_id, self._peer.source, self._login.attempted, request.method, str(exc),
            )  # fmt: skip
        elif isinstance(exc, Refused):
            log.warning(
                "denied session=%s user=%s method=%s reason=%r",
                self.session_id, self.account.user.name if self.account else "", request and request.method, str(exc),
            )  # fmt: skip
        code = exc.code if isinstance(exc, ProtocolError) else REFUSED
        await self._fail(request, ErrorResponse(_read_id(request), code, str(exc), exc.exit_code))

    async def _fail(self, request: Request | None, response: ErrorResponse) -> None:
        self._session.fail(request)
        await self._send(response)

    async def _send(self, message: Message) -> None:
        await self._channel.send(encode_message(message))

    def _describe_server(self) -> dict[str, Any]:
        return {
            "server": f"headless/{headless.__version__}",
            "python": platform.python_version(),
            "max_script": self._jobs.admission.max_script,
            "ping_s": self._ping_s,
        }

    def _enter(self, account: Account) -> None:
        self.account = account
        # Before the answer goes out: a launcher's next message may be there before we look again.
        self._channel.allow_messages(self._max_message)
        self._on_login()
        self._audit.record(AuditAction.LOGIN, user=account.user.name, auth=account.auth, origin=self._peer.source)
        log.info(
            "login session=%s user=%s auth=%s from=%s owner=%s",
            self.session_id, account.user.name, account.auth, self._peer.source, str(account.is_owner).lower(),
        )  # fmt: skip

    @property
    def _who(self) -> Account:
        """The account as it is now; the state table lets nothing else through before there is one.

        Raises:
            Refused: it was taken back.
        """
        if self.account is None:
            raise AssertionError("nobody is logged in")
        return self._door.refresh(self.account)

    async def _login_salt(self, message: LoginSalt) -> dict[str, Any]:
        return await self._login.salt(message)

    async def _login_challenge(self, message: LoginChallenge) -> dict[str, Any]:
        return self._login.challenge(message)

    async def _login_proof(self, message: LoginProof) -> dict[str, Any]:
        result, account = await self._login.proof(message)
        self._enter(account)
        return {**result, **self._describe_server()}

    async def _login_osuser(self, message: LoginNamed) -> dict[str, Any]:
        result, account = self._login.osuser(message)
        self._enter(account)
        return {**result, **self._describe_server()}

    async def _login_x509(self, message: LoginNamed) -> dict[str, Any]:
        result, account = self._login.x509(message)
        self._enter(account)
        return {**result, **self._describe_server()}

    async def _job_check(self, message: JobCheck) -> dict[str, Any]:
        self._jobs.admission.check_start(self._who, JobKind(message.kind), message.module)
        return {"allowed": True}

    async def _job_upload(self, message: JobUpload) -> dict[str, Any]:
        account = self._who
        self._jobs.admission.check_any(account)
        if message.job_id in self._jobs:
            raise ParameterError(f"job {message.job_id} takes no more input")
        if self._upload not in ("", message.job_id):
            raise ParameterError("start the job of the input before this one first")  # else max_stdin limits nothing
        self._upload = message.job_id
        data = decode_bytes(message.data)
        try:
            return {"size": await self._jobs.uploads.write(account.user.name, message.job_id, message.offset, data)}
        except OSError as exc:
            raise Unavailable(f"the server cannot keep the input: {exc.strerror}") from exc

    async def _job_start(self, message: JobStart) -> dict[str, Any]:
        job = await self._jobs.start(self._who, message, self._peer.source)
        self._upload = ""
        return _name_job(job)

    async def _job_watch(self, message: JobWatch) -> dict[str, Any]:
        job = await self._jobs.find(self._who, message.job_id)
        if len(self._watches) >= MAX_WATCHES:
            raise ParameterError(f"a session follows at most {MAX_WATCHES} jobs at a time")
        self._found = job
        return _name_job(job)

    async def _job_list(self, message: JobList) -> dict[str, Any]:
        return await self._history.list(self._who, message)

    async def _job_show(self, message: JobNamed) -> dict[str, Any]:
        return await self._history.show(self._who, message.job_id)

    async def _job_cancel(self, message: JobNamed) -> dict[str, Any]:
        return {"job_id": message.job_id, "state": await self._jobs.cancel(self._who, message.job_id)}

    async def _job_rerun(self, message: JobRerun) -> dict[str, Any]:
        return _name_job(await self._history.rerun(self._who, message, self._peer.source))

    async def _job_prune(self, message: JobPrune) -> dict[str, Any]:
        return {"removed": await self._history.prune(self._who, message)}

    async def _server_status(self, _: Parameters) -> Any:
        return self._control("status") if self._who.is_owner else self._describe_server()

    async def _server_stop(self, _: Parameters) -> Any:
        if not self._who.is_owner:
            raise Refused("only the OS user who runs the server may do this, over its unix socket")
        return self._control("stop")

    def _watch(self, job: LiveJob, message: JobWatch) -> None:
        """Follow a job; the answer has gone out already, so that no news comes before it."""
        task = asyncio.get_running_loop().create_task(self._follow(job, message))
        self._watches[task] = job
        task.add_done_callback(self._watches.pop)

    async def _follow(self, job: LiveJob, message: JobWatch) -> None:
        try:
            async for notification in follow_job(self._jobs.engine, job, message):
                await self._send(notification)
        except ConnectionFailed:
            return  # the session's own loop sees it too
        except Exception:
            log.exception("bug session=%s job=%s", self.session_id, job.job_id)
            await self._channel.close(1011, "a bug in the server")

    _handlers: "dict[str, Callable[[Any, Any], Awaitable[Any]]]" = {  # noqa: RUF012  # a table, never changed
        "login.salt": _login_salt,
        "login.challenge": _login_challenge,
        "login.proof": _login_proof,
        "login.osuser": _login_osuser,
        "login.x509": _login_x509,
        "job.check": _job_check,
        "job.upload": _job_upload,
        "job.start": _job_start,
        "job.watch": _job_watch,
        "job.list": _job_list,
        "job.show": _job_show,
        "job.cancel": _job_cancel,
        "job.rerun": _job_rerun,
        "job.prune": _job_prune,
        "server.status": _server_status,
        "server.stop": _server_stop,
    }


def _name_job(job: LiveJob) -> dict[str, Any]:
    return {"job_id": job.job_id, "state": job.state}


def _read_id(request: Request | None) -> int | None:
    return None if request is None else request.id
