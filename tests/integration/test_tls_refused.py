"""A client certificate that the server does not take: TLS 1.2, unlike its successor, tells so within its handshake."""

import datetime
import ssl
from pathlib import Path

import pytest

from authority import Authority
from headless.errors import Refused
from headless.transport.client import connect
from headless.transport.tls import ClientTls, build_server_context
from plain_servers import plain_server, wait_for_end, with_tls
from support import TIME_SCALE


def test_a_certificate_that_is_over(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = build_server_context(*authority.issue_server(), authority.file, need_client=True)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    certificate, key = authority.issue("late", lifetime=datetime.timedelta(days=-1))
    tls = ClientTls(ca_file=authority.file, check_chain=True, certificate=certificate, key=key)
    refused = r"does not take the client certificate: .*certificate expired"
    with plain_server(with_tls(context, wait_for_end)) as address, pytest.raises(Refused, match=refused) as caught:
        connect(address, tls, 20 * TIME_SCALE)
    assert "CERTIFICATE_EXPIRED" in str(getattr(caught.value.__cause__, "reason", ""))
