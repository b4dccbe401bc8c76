"""Who a certificate logs in: a user by one of its subjects, or by a token."""

from dataclasses import dataclass

from cryptography import x509
from sqlalchemy import Connection

from headless.grid.serve.call import Session, User
from headless.grid.serve.job_table import is_running
from headless.grid.serve.people import find_user, find_user_by_name
from headless.grid.serve.pki import find_issued
from headless.grid.serve.tokens import parse_token_subject

__all__ = ["Login", "find_login", "renew"]


@dataclass(frozen=True)
class Login:
    """Who has come.

    Attributes:
        user: in the catalogue.
        role: to begin with.
        job_id: the job whose token this is.
        certificate: that was presented; TLS has found it in order.
    """

    user: User
    role: str
    job_id: int | None
    certificate: x509.Certificate

    def begin(self, source: str) -> Session:
        """A session, in the user's home."""
        return Session(
            self.user,
            self.role,
            self.user.home,
            self.certificate.subject.rfc4514_string(),
            self.certificate.not_valid_after_utc.timestamp(),
            source,
            self.job_id,
            issued_at=find_issued(self.certificate),
        )


def find_login(connection: Connection, certificate: bytes) -> Login | None:
    """Who a certificate (DER) logs in; ``None``: nobody, or nobody any more."""
    parsed = x509.load_der_x509_certificate(certificate)
    token = parse_token_subject(parsed.subject)
    if token is None:
        user = find_user(connection, parsed.subject.rfc4514_string())
        return None if user is None else Login(user, user.name, None, parsed)
    user = None if token.kind == "host" else find_user_by_name(connection, token.name)
    if user is None or token.role not in user.roles:
        return None
    if token.job_id is not None and not is_running(connection, token.job_id, user.name):
        return None  # a job's token ends with the job
    return Login(user, token.role, token.job_id, parsed)


def renew(session: Session, name: str, user: User | None) -> bool:
    """Have an open session go on as what a user is now.

    Args:
        session: anybody's.
        name: of the user who has changed.
        user: as it is now; ``None``: there is none any more.

    Returns:
        Whether the session may go on at all.
    """
    login = session.login or session.user
    if login.name == name:
        if user is None:
            return False
        login = user
    worker = user if session.user.name == name else session.user
    if worker is None or (worker.name != login.name and not login.is_admin):
        worker, session.directory = login, login.home  # an administrator who is none, or who works as nobody any more
    session.user, session.login = worker, None if worker.name == login.name else login
    if session.role not in worker.roles:
        session.role = worker.name
    return True
