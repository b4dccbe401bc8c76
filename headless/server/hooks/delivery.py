"""One try to do what a notice says: run the program, send the request, hand over the mail."""

import asyncio
import json
import os
import ssl
import uuid
from collections.abc import Mapping
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import headless
from headless.server.hooks.actions import Action, ActionKind
from headless.server.hooks.events import EventKind, build_environment, build_text
from headless.server.hooks.programs import run_program
from headless.server.hooks.undelivered import Undelivered

if TYPE_CHECKING:
    import httpx

__all__ = ["Delivery", "build_mail", "build_ping_url"]

PING_LIMIT = 10_000  # bytes of a ping's body
CLEAN = {"PATH": os.defpath, "LANG": "C.UTF-8"}
RETRIED = (408, 429)  # of the 4xx, those that time may mend
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
PING_SUFFIX = {
    EventKind.START: "/start",
    EventKind.FAILURE: "/fail",
    EventKind.LOST: "/fail",
    EventKind.SKIP: "/log",
}


class Delivery:
    """Delivers notices; within one event loop."""

    def __init__(self, sendmail: str) -> None:
        """Args:
        sendmail: the program that takes mail, sendmail(8).
        """
        self._sendmail = sendmail
        self._client: httpx.AsyncClient | None = None
        self._making = asyncio.Lock()

    async def deliver(self, action: Action, body: dict[str, Any]) -> None:
        """Try once.

        Raises:
            Undelivered: it did not work.
        """
        if action.kind is ActionKind.COMMAND:
            environment = CLEAN | build_environment(body)
            await run_program(action.target, json.dumps(body).encode(), environment, action.timeout_s)
        elif action.kind is ActionKind.MAIL:
            mail = build_mail(action.target[0], body)
            await run_program([self._sendmail, "-t", "-i"], mail, CLEAN, action.timeout_s)
        elif action.kind is ActionKind.WEBHOOK:
            await self._post(action, action.target[0], json.dumps(body).encode(), "application/json")
        else:
            url = build_ping_url(action.target[0], body["event"], body["job_id"])
            text = build_text(body).encode()[:PING_LIMIT].decode(errors="ignore").encode()
            await self._post(action, url, text, "text/plain; charset=utf-8")

    async def close(self) -> None:
        """Close what connections there are."""
        if self._client is not None:
            await self._client.aclose()

    async def _post(self, action: Action, url: str, data: bytes, content_type: str) -> None:
        import httpx

        client = await self._open_client()
        try:
            async with (
                asyncio.timeout(action.timeout_s),
                client.stream("POST", url, content=data, headers={"Content-Type": content_type}) as response,
            ):
                status = response.status_code  # what else it says is not read
        except TimeoutError as exc:
            raise Undelivered(f"no answer within {action.timeout_s:g} s") from exc
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as exc:
            raise Undelivered("it is no URL that can be asked", is_final=True) from exc
        except httpx.HTTPError as exc:
            raise Undelivered(str(exc) or type(exc).__name__) from exc
        if not 200 <= status < 300:
            is_final = status < 500 and status not in RETRIED
            hint = ": redirects are not followed, give the new address" if 300 <= status < 400 else ""
            raise Undelivered(f"the answer was {status}{hint}", is_final=is_final)

    async def _open_client(self) -> "httpx.AsyncClient":
        async with self._making:
            if self._client is None:
                # Importing it and reading the authorities takes longer than the event loop may be away.
                self._client = await asyncio.to_thread(_build_client)
        return self._client


def build_mail(address: str, body: Mapping[str, Any]) -> bytes:
    """A mail as sendmail(8) takes it. What is in the facts cannot become a header: control characters are replaced."""
    mail = EmailMessage()
    mail["To"] = address
    mail["Subject"] = "".join(item if item.isprintable() else "\ufffd" for item in f"headless: {body['text']}")[:200]
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notices, please
    mail["X-Headless-Job"] = str(body["job_id"])
    mail.set_content(build_text(dict(body)), cte="quoted-printable")
    return bytes(mail)


def build_ping_url(url: str, event: str, job_id: str) -> str:
    """Where to ping: ``/start``, ``/fail`` or ``/log`` behind the path, and ``rid``, the job's id as a UUID."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/") + PING_SUFFIX.get(EventKind(event), "")
    run = _build_uuid(job_id)
    query = "&".join(item for item in (parts.query, urlencode({"rid": run}) if run else "") if item)
    return urlunsplit((parts.scheme, parts.netloc, path or "/", query, ""))


def _build_uuid(job_id: str) -> str:
    """A ULID is 128 bits, as a UUID is; empty if it is none."""
    number = 0
    for character in job_id:
        digit = CROCKFORD.find(character)
        if digit < 0:
            return ""
        number = number * 32 + digit
    return str(uuid.UUID(int=number)) if len(job_id) == 26 and number < 1 << 128 else ""


def _build_client() -> "httpx.AsyncClient":
    import httpx

    return httpx.AsyncClient(
        verify=ssl.create_default_context(),  # the machine's own authorities: a company's too
        follow_redirects=False,
        timeout=None,  # noqa: S113  # each request has the limit of its action
        limits=httpx.Limits(max_keepalive_connections=0),
        headers={"User-Agent": f"headless/{headless.__version__}"},
    )
