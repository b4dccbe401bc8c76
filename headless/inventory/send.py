"""Sending a report to a collector: one POST over HTTP or HTTPS, through a proxy if there is one."""

import base64
import http.client
import ssl
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

import headless
from headless.config import read_variables
from headless.errors import ParameterError, Refused
from headless.inventory.connecting import explain, find_refusal, is_refused, is_untrusted
from headless.inventory.envelope import ENVELOPED, SIGNED, read_content_type

__all__ = ["Collector", "NotTaken", "Wait", "read_token", "send", "split_url"]

PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTPS_PROXY", "NO_PROXY")  # HTTP_PROXY is a header's, under CGI
REDIRECTS = 5
ANSWER_LIMIT = 65536  # bytes of an answer that are read
WAIT_LIMIT = 86400  # seconds: a collector that asks for more gets a day
BAD_LOGIN = (401, 403, 407)
BUSY = (408, 421, 425, 429, 503)  # of the collector, whatever it is sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Collector:
    """Where reports are sent, and how.

    Attributes:
        url: http or https.
        timeout_s: for each answer.
        token: sent along as a bearer's; empty for none.
        ca_file: the authorities to trust; empty for the system's.
        certificate, key: files of the certificate to show; empty for none, or for a key in the certificate's file.
        expect: how the answer must end; empty for any.
    """

    url: str
    timeout_s: float = 30
    token: str = ""
    ca_file: str = ""
    certificate: str = ""
    key: str = ""
    expect: str = ""


class NotTaken(Exception):
    """The collector will never take this report; whoever sent it decides what that means."""


class Wait(Exception):
    """The collector could not take it now; whoever sent it decides what that means.

    Attributes:
        after_s: seconds after which it wants to be asked again; ``None`` if it has not said.
        may_be_ours: it was there and failed: it may be this report that it cannot take, and another it could.
        is_lasting: somebody has to mend something first: it is of no use to try again soon.
    """

    def __init__(
        self, message: str, after_s: float | None = None, *, may_be_ours: bool = False, is_lasting: bool = False
    ) -> None:
        super().__init__(message)
        self.is_lasting = is_lasting
        self.after_s = after_s
        self.may_be_ours = may_be_ours


def send(collector: Collector, data: bytes) -> None:
    """Send a report; that it was taken is known when this returns.

    Raises:
        Wait: the collector is away or busy: try again.
        Refused: it does not know who we are, or does not let us.
        NotTaken: it does not take this report, whoever sends it.
        ParameterError: the URL, a certificate or the proxy's setting is wrong.
    """
    url = collector.url
    for _ in range(REDIRECTS):
        status, headers, answer = _post(collector, split_url(url), data)
        if status not in (307, 308):
            return _judge(collector, url, status, headers, answer)
        target = urljoin(url, headers.get("Location") or "")
        if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
            raise ParameterError(f"{url} leads to {target}, which is not encrypted: not followed")
        if urlsplit(target).netloc != urlsplit(url).netloc and (collector.token or collector.certificate):
            raise ParameterError(f"{url} leads to another host, {target}: give that URL with --to if it is meant")
        url = target
    raise Wait(f"{collector.url}: led from one place to the next more than {REDIRECTS} times")


def read_token(path: str) -> str:
    """Read the token in a file; empty if none is named.

    Raises:
        ParameterError: the file cannot be read, or holds none.
    """
    if not path:
        return ""
    try:
        with open(path, encoding="ascii") as file:
            token = file.read(4096).strip()
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not ASCII"
        raise ParameterError(f"the token's file {path} cannot be read: {reason}") from exc
    if not token or not token.isprintable() or " " in token:
        raise ParameterError(f"the token's file {path}: one line of letters, digits and signs is wanted, the token")
    return token


def split_url(url: str) -> SplitResult:
    """Take a collector's URL apart.

    Raises:
        ParameterError: it is none.
    """
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        (parts.hostname or "").encode("idna")  # as the resolver will: no label empty, or too long
    except ValueError:
        is_good = False
    if not is_good or any(letter <= " " or letter > "~" for letter in url):
        raise ParameterError(f"{url!r} is no URL like https://HOST:PORT/PATH")
    return parts


def _post(collector: Collector, url: SplitResult, data: bytes) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection, target, headers = prepare(collector, url)
    headers |= {
        "User-Agent": f"headless/{headless.__version__}",
        "Content-Type": _find_type(data),
        "Accept": "*/*",
    }
    if collector.token:
        headers["Authorization"] = f"Bearer {collector.token}"
    is_there = False
    try:
        connection.connect()
        is_there = True
        connection.request("POST", target, data, headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read(ANSWER_LIMIT)
    except (OSError, http.client.HTTPException) as failure:
        exc = find_refusal(connection.sock, failure)
        line = f"{url.scheme}://{url.netloc.rpartition('@')[2]}: {explain(url.scheme, exc)}"
        if is_refused(exc):
            raise Refused(line) from exc
        raise Wait(line, may_be_ours=is_there, is_lasting=is_untrusted(exc)) from exc
    finally:
        connection.close()


def prepare(collector: Collector, url: SplitResult) -> tuple[http.client.HTTPConnection, str, dict[str, str]]:
    """The connection, what to ask it for, and the headers for a proxy."""
    host, port = url.hostname or "", url.port
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    proxy = _find_proxy(url)
    login = _build_login(proxy) if proxy else {}
    to = (proxy.hostname or "", proxy.port or 80) if proxy else (host, port)
    if url.scheme == "https":
        secure = http.client.HTTPSConnection(*to, timeout=collector.timeout_s, context=_build_context(collector))
        if proxy:
            secure.set_tunnel(host, port, login)
        return secure, path, {}
    plain = http.client.HTTPConnection(*to, timeout=collector.timeout_s)
    if not proxy:
        return plain, path, {}
    return plain, f"http://{url.netloc.rpartition('@')[2]}{path}", login


def _build_context(collector: Collector) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=collector.ca_file or None)
        if collector.certificate:
            context.load_cert_chain(collector.certificate, collector.key or None)
    except OSError as exc:  # also what is no certificate
        named = " or ".join(name for name in (collector.ca_file, collector.certificate, collector.key) if name)
        raise ParameterError(f"{named or 'the system authorities'} cannot be used: {exc.strerror or exc}") from exc
    return context


def _find_proxy(url: SplitResult) -> SplitResult | None:
    variables = read_variables(PROXIES)
    upper = variables.get(f"{url.scheme.upper()}_PROXY", "")
    text = variables.get(f"{url.scheme}_proxy", upper)
    if not text or _is_exempt(url, variables.get("no_proxy") or variables.get("NO_PROXY", "")):
        return None
    try:
        proxy = urlsplit(text if "://" in text else f"http://{text}")
        if proxy.scheme == "http" and proxy.hostname and proxy.port != 0:
            return proxy
    except ValueError:
        pass
    raise ParameterError(f"{url.scheme}_proxy is {text!r}: give it as http://HOST:PORT")


def _is_exempt(url: SplitResult, listed: str) -> bool:
    """Names exempt themselves and all below them; ``*`` exempts all."""
    host = (url.hostname or "").lower()
    for entry in listed.lower().replace(",", " ").split():
        name = entry.lstrip("*").lstrip(".")
        if entry == "*" or (name and (host == name or host.endswith("." + name) or f"{host}:{url.port}" == name)):
            return True
    return False


def _build_login(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    text = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


def _find_type(data: bytes) -> str:
    if read_content_type(data) in (ENVELOPED, SIGNED):
        return "application/pkcs7-mime"
    return "application/json" if data[:1] == b"{" else "text/plain; charset=utf-8"


def _judge(collector: Collector, url: str, status: int, headers: http.client.HTTPMessage, answer: bytes) -> None:
    said = " ".join(answer.decode("utf-8", "replace").split())
    if 200 <= status < 300:
        if collector.expect and not said.endswith(collector.expect):
            line = f"{url}: answered {said[:200]!r}, which does not end with {collector.expect!r}"
            raise Wait(line, may_be_ours=True)
        return
    raise _build_error(url, status, headers, said[:200])


def _build_error(url: str, status: int, headers: http.client.HTTPMessage, said: str) -> Exception:
    line = f"{url}: {status}{': ' + said if said else ''}"
    if status in BAD_LOGIN:
        theirs = ", or the collector's --allow" if status == 403 else ""
        return Refused(f"{line}: see --token-file and --certificate{theirs}")
    if 300 <= status < 400:
        place = headers.get("Location") or "another place"
        return ParameterError(f"{line}: it leads to {place} without the report: give the right URL with --to")
    if status in (404, 405, 410, 411, 501):
        return ParameterError(f"{line}: no collector takes reports there: see --to")
    if 400 <= status < 500 and status not in BUSY:
        return NotTaken(f"{line}: this report is not taken")
    after_s = _parse_after(headers.get("Retry-After") or "")
    return Wait(line, after_s, may_be_ours=status not in BUSY and after_s is None)


def _parse_after(text: str) -> float | None:
    """RFC 9110, section 10.2.3: seconds, or a date."""
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) < 12:
        return float(min(int(text), WAIT_LIMIT))
    try:
        return min(max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0), WAIT_LIMIT)
    except (ValueError, TypeError, OverflowError):
        return None
