"""Questions to web services beside the grid: MonALISA's, the conditions database's. Without a certificate of ours."""

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from headless import __version__
from headless.grid.errnos import EINVAL, ENOENT, ENOTCONN, EPROTO, EREMOTEIO
from headless.grid.messages import GridError

__all__ = ["build_url", "fetch", "fetch_json"]

MAX_ANSWER = 64 << 20  # bytes
KEPT = "/?=&,;:@+*.-_~!$'()%"


def build_url(base: str, path: str) -> str:
    """A URL of ``http://`` or ``https://``; a host without either is taken as ``http://``.

    Raises:
        GridError: EINVAL: it is none.
    """
    base = base if "://" in base else f"http://{base}"
    if not base.lower().startswith(("http://", "https://")):
        raise GridError(EINVAL, f"{base}: give a host, http:// or https://")
    return f"{base.rstrip('/')}/{quote(path.lstrip('/'), safe=KEPT)}"


def fetch(url: str, limit_s: float, headers: Mapping[str, str]) -> bytes:
    """Ask, and take the answer whole. The proxies of ``http_proxy`` and its like are used.

    Args:
        url: of :func:`build_url`.
        limit_s: seconds without a byte after which the service counts as gone.
        headers: of the request, beside ours.

    Raises:
        GridError: ENOTCONN: there is no service; ENOENT: it does not know the place; EREMOTEIO: it has failed.
    """
    request = urllib.request.Request(url, headers={"User-Agent": f"headless/{__version__}", **headers})  # noqa: S310  # build_url has looked
    try:
        with urllib.request.urlopen(request, timeout=limit_s) as answer:  # noqa: S310
            data: bytes = answer.read(MAX_ANSWER + 1)
    except urllib.error.HTTPError as exc:
        exc.close()
        raise GridError(ENOENT if exc.code == 404 else EREMOTEIO, f"{url}: {exc.code} {exc.reason}") from exc
    except ValueError as exc:
        raise GridError(EINVAL, f"{url}: {exc}") from exc
    except (OSError, http.client.HTTPException) as exc:
        reason = getattr(exc, "reason", exc)
        raise GridError(
            ENOTCONN, f"{url}: {getattr(reason, 'strerror', None) or reason or type(exc).__name__}"
        ) from exc
    if len(data) > MAX_ANSWER:
        raise GridError(EREMOTEIO, f"{url}: the answer has more than {MAX_ANSWER >> 20} MiB: ask for less")
    return data


def fetch_json(url: str, limit_s: float, headers: Mapping[str, str]) -> dict[str, Any]:
    """The same, for an answer that is a JSON object.

    Raises:
        GridError: as :func:`fetch`; EPROTO: the answer is another one.
    """
    try:
        answer = json.loads(fetch(url, limit_s, headers))
    except (ValueError, RecursionError) as exc:
        raise GridError(EPROTO, f"{url}: the answer is no JSON") from exc
    if not isinstance(answer, dict):
        raise GridError(EPROTO, f"{url}: the answer is no JSON object")
    return answer
