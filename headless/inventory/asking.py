"""Asking a collector: its API over HTTP or HTTPS, through a proxy if there is one, a page at a time."""

import http.client
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import headless
from headless.errors import ConnectionFailed, HeadlessError, ParameterError, ProtocolError, Refused, Unavailable
from headless.inventory.connecting import explain, is_refused
from headless.inventory.questions import QUESTIONS
from headless.inventory.send import Collector, prepare, split_url

__all__ = ["Reply", "ask"]

ANSWER_LIMIT = 256 << 20
"""The longest page that is read, in bytes."""


@dataclass
class Reply:
    """A collector's reply: its rows, fetched page by page as they are taken.

    Attributes:
        rows: to be taken once.
        summary: of the whole answer; there once the first row was taken, or there was none.
        notes: lines for people, of the first page.
    """

    rows: Iterator[dict[str, Any]] = field(default_factory=lambda: iter(()))
    summary: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def ask(collector: Collector, question: str, given: Mapping[str, str], body: bytes = b"", limit: int = 0) -> Reply:
    """Ask; the first page is there when this returns.

    Args:
        collector: its URL without a path, or with the one below which it serves.
        question: of ``QUESTIONS``.
        given: its parameters, as the API takes them.
        body: what is sent along, where the question takes something.
        limit: rows of a page; 0 leaves it to the collector.

    Raises:
        ConnectionFailed: the collector is not there, or busy.
        ParameterError: a parameter, the URL, a certificate is wrong.
        Refused: the collector does not know who asks, or does not let him.
    """
    given = dict(given) | ({"limit": str(limit)} if limit else {})
    first = _fetch(collector, question, given, body)
    reply = Reply(summary=first.get("summary") or {}, notes=[str(note) for note in first.get("notes") or ()])
    reply.rows = _iterate(collector, question, given, body, first)
    return reply


def _iterate(
    collector: Collector, question: str, given: Mapping[str, str], body: bytes, page: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    while True:
        yield from page["rows"]
        if not page["next"]:
            return
        page = _fetch(collector, question, {**given, "after": page["next"]}, body)


def _fetch(collector: Collector, question: str, given: Mapping[str, str], body: bytes) -> dict[str, Any]:
    base = split_url(collector.url)
    query = urlencode(given, quote_via=quote)
    path = f"{base.path.rstrip('/')}/api/v1/{question}"
    status, answer = _exchange(collector, base._replace(path=path, query=query), question, body)
    try:
        told = json.loads(answer)
        if status == 200 and isinstance(told["rows"], list) and isinstance(told["next"], str | None):
            return dict(told)
        reason = str(told["error"])
    except (ValueError, KeyError, TypeError):
        reason = "" if status != 200 else "no answer of a collector"
    raise _build_error(collector.url, status, " ".join(reason.split())[:1000])


def _exchange(collector: Collector, url: Any, question: str, body: bytes) -> tuple[int, bytes]:
    connection, target, headers = prepare(collector, url)
    headers |= {"User-Agent": f"headless/{headless.__version__}", "Accept": "application/json"}
    if collector.token:
        headers["Authorization"] = f"Bearer {collector.token}"
    method = "POST" if QUESTIONS[question].body else "GET"
    if method == "POST":
        headers["Content-Type"] = "application/toml"
    try:
        connection.request(method, target, body or None, headers)
        response = connection.getresponse()
        answer = response.read(ANSWER_LIMIT + 1)
    except (OSError, http.client.HTTPException) as exc:
        kind = Refused if is_refused(exc) else ConnectionFailed
        raise kind(f"{collector.url}: {explain(url.scheme, exc)}") from exc
    finally:
        connection.close()
    if len(answer) > ANSWER_LIMIT:
        raise ProtocolError(f"{collector.url}: a page of more than {ANSWER_LIMIT >> 20} MiB")
    return response.status, answer


def _build_error(url: str, status: int, reason: str) -> HeadlessError:
    if status == 400 and reason:
        return ParameterError(reason)
    line = f"{url}: {status}{': ' + reason if reason else ''}"
    if status in (401, 403, 407):
        return Refused(f"{line}: see --token-file and --certificate")
    if 300 <= status < 400 or status in (404, 405, 501):
        return ParameterError(f"{line}: no collector answers there: see --collector")
    return Unavailable(line) if status >= 500 else ProtocolError(line)
