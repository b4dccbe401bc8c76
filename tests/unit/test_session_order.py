"""What a session does before it answers a login: a launcher's next message may be large, and may be there at once."""

import asyncio
import os
from pathlib import Path
from typing import Any

from headless.protocol.codec import Request, encode_message
from headless.server.audit import AuditLog
from headless.server.login import Door, Peer
from headless.server.sessions import ServerSession
from headless.server.throttle import Throttle
from headless.server.users import UserStore


class RecordingChannel:
    """In the place of a real channel, where the order of two calls could only be seen by luck."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self._texts = [encode_message(Request(1, "login.osuser", {}))]

    async def receive(self) -> str:
        if not self._texts:
            raise asyncio.CancelledError
        return self._texts.pop()

    async def send(self, text: str) -> None:
        self.calls.append("send")

    def allow_messages(self, max_size: int) -> None:
        self.calls.append(f"allow {max_size}")


def test_large_messages_are_taken_before_the_login_is_answered(tmp_path: Path) -> None:
    channel: Any = RecordingChannel()
    peer = Peer("unix", os.geteuid(), None, frozenset())
    door = Door(UserStore(str(tmp_path)), bytes(32), Throttle(lambda: 0.0))

    class NoJobs:
        class admission:  # as the attribute is called
            max_script = 1

    jobs: Any = NoJobs()
    audit = AuditLog(str(tmp_path))

    async def run() -> None:
        session = ServerSession(channel, peer, door, jobs, lambda command: None, lambda: None, 20.0, audit)
        try:
            await session.run(10.0, 12345)
        except asyncio.CancelledError:
            return

    asyncio.run(run())
    assert channel.calls == ["allow 12345", "send"]
