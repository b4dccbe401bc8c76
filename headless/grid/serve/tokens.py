"""Tokens: short-lived certificates with their keys, which log in without a passphrase. The command token.

Their subjects are ``C=ch,O=AliEn2,CN=Users,CN=<user>,OU=<role>``; those of jobs say ``CN=Jobs`` and have the job's
number in one more OU. No other certificate of the grid's authority has such a subject.
"""

import asyncio
import datetime
import re
import time
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID

from headless.grid.errnos import EINVAL, EKEYEXPIRED, ENOENT, EPERM
from headless.grid.messages import GridError
from headless.grid.serve.arguments import parse_arguments, take_values
from headless.grid.serve.call import Call, Command, Rows, Session
from headless.grid.serve.people import find_user_by_name
from headless.grid.serve.pki import Authority
from headless.grid.serve.removals import Removals

__all__ = ["COMMANDS", "TokenSubject", "issue_token", "parse_token_subject"]

KINDS = {"user": "Users", "job": "Jobs", "jobagent": "JobAgent", "host": "Hosts"}
DAYS = {"user": 31, "job": 2, "jobagent": 2, "host": 365}
"""The longest that a token of each kind is valid; also what it is if nothing is said."""
JOB = "queueid="
DAY_S = 86400
HOST_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")  # as long as a certificate's subject lets a name be
USAGE = """token [-u USER] [-v DAYS] [-t user|job|jobagent|host] [-jobid ID] [-hostname NAME]: a certificate and its key
  -v  days; never longer than the certificate that you have logged in with"""


@dataclass(frozen=True)
class TokenSubject:
    """Who a token is for.

    Attributes:
        kind: user, job, jobagent or host.
        name: of the user, or of the host.
        role: to begin with.
        job_id: of a job's token.
    """

    kind: str
    name: str
    role: str
    job_id: int | None = None

    def build(self) -> x509.Name:
        """As a certificate's subject."""
        parts = [(NameOID.COUNTRY_NAME, "ch"), (NameOID.ORGANIZATION_NAME, "AliEn2")]
        parts += [(NameOID.COMMON_NAME, KINDS[self.kind]), (NameOID.COMMON_NAME, self.name)]
        parts.append((NameOID.ORGANIZATIONAL_UNIT_NAME, self.role))
        if self.job_id is not None:
            parts.append((NameOID.ORGANIZATIONAL_UNIT_NAME, f"{JOB}{self.job_id}"))
        return x509.Name([x509.NameAttribute(kind, value) for kind, value in parts])


def parse_token_subject(subject: x509.Name) -> TokenSubject | None:
    """Read it from a certificate; ``None``: this is no token."""
    values = [str(attribute.value) for attribute in subject]
    kinds = {shown: kind for kind, shown in KINDS.items()}
    if len(values) not in (5, 6) or values[:2] != ["ch", "AliEn2"] or values[2] not in kinds:
        return None
    number = values[5].removeprefix(JOB) if len(values) == 6 else ""
    found = TokenSubject(kinds[values[2]], values[3], values[4], int(number) if number.isdecimal() else None)
    return found if found.build() == subject and (found.kind == "job") == (found.job_id is not None) else None


async def issue_token(
    authority: Authority, subject: TokenSubject, lifetime_s: float, names: list[str]
) -> tuple[bytes, bytes]:
    """A new certificate and its key, in PEM; the key is made in a thread, which takes some tenths of a second.

    Args:
        authority: that signs it.
        subject: who it is for.
        lifetime_s: seconds from now.
        names: of hosts, beside this one.
    """
    shown = [x509.DNSName(name) for name in ["localhost", "localhost.localdomain", *names]]
    extensions: list[x509.ExtensionType] = [x509.SubjectAlternativeName(shown)]
    lifetime = datetime.timedelta(seconds=lifetime_s)
    after = None if subject.kind == "host" else Removals(authority.folder).find(subject.name)
    return await asyncio.to_thread(authority.issue, subject.build(), lifetime, extensions, after)


async def _token(call: Call) -> Rows:
    given, rest = take_values(call.options, ("-jobid", "-hostname"))
    arguments = parse_arguments(rest, "", "uvt")
    arguments.require_words(0, 0)
    subject = await _decide(call, arguments.values.get("t", "user"), arguments.values.get("u", ""), given)
    days, most = arguments.number("v", DAYS[subject.kind]), DAYS[subject.kind]
    if not days:
        raise GridError(EINVAL, "-v 0: give days")
    if days > most:
        call.note = f"a token of this kind is valid for {most} days at most"
    lifetime_s = min(min(days, most) * DAY_S, call.session.expires_at - time.time())
    if lifetime_s <= 0:
        raise GridError(EKEYEXPIRED, "the certificate of this session has expired")
    names = [subject.name] if subject.kind == "host" else []
    certificate, key = (text.decode() for text in await issue_token(call.grid.authority, subject, lifetime_s, names))
    _check_removal(call)
    parsed = x509.load_pem_x509_certificate(certificate.encode())
    heading = f"DN: {parsed.subject.rfc4514_string()}\nExpires: {parsed.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC"
    return [{"tokencert": certificate, "tokenkey": key, "message": f"{heading}\n{certificate}{key}".rstrip()}]


async def _decide(call: Call, kind: str, user: str, given: dict[str, str]) -> TokenSubject:
    """Who the token is for, if this session may have it.

    Raises:
        GridError: EPERM, EINVAL, ENOENT.
    """
    session = call.session
    if kind not in KINDS:
        raise GridError(EINVAL, f"-t {kind!r}: say {', '.join(KINDS)}")
    name = user or session.user.name
    if not session.user.is_admin and (name != session.user.name or kind in ("host", "jobagent")):
        raise GridError(EPERM, "tokens of others, of agents and of hosts are for administrators")
    if kind == "host":
        return TokenSubject(kind, _read_host(given), session.user.name)
    found = await call.grid.catalogue.read(lambda connection: find_user_by_name(connection, name))
    if found is None:
        raise GridError(ENOENT, f"there is no user {name}")
    job_id = _read_job(given) if kind == "job" else None
    _check_job(session, job_id)
    return TokenSubject(kind, name, session.role if name == session.user.name else name, job_id)


def _check_removal(call: Call) -> None:
    """A user who is just being removed gets none that would be good once the name is given again."""
    name = (call.session.login or call.session.user).name
    if Removals(call.grid.authority.folder).refuses(name, call.session.issued_at):
        raise GridError(EPERM, f"{name} was removed")


def _check_job(session: Session, job_id: int | None) -> None:
    if session.job_id is not None and session.job_id != job_id:
        raise GridError(EPERM, f"job {session.job_id} gets no other token than its own")


def _read_job(given: dict[str, str]) -> int:
    text = _require(given, "-jobid")
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise GridError(EINVAL, f"-jobid {text!r}: give a number")
    return int(text)


def _read_host(given: dict[str, str]) -> str:
    name = _require(given, "-hostname")
    if not HOST_NAME.fullmatch(name):
        raise GridError(EINVAL, f"-hostname {name[:80]!r}: give a host's name, of 64 characters at most")
    return name


def _require(given: dict[str, str], option: str) -> str:
    if option not in given:
        raise GridError(EINVAL, f"say {option} too")
    return given[option]


COMMANDS = {"token": Command(_token, USAGE)}
