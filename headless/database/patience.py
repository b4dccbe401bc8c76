"""Connections to PostgreSQL that do not wait for ever for a server that is there, and does not answer.

A server that was stopped, or whose disk stands still, still has its kernel keep the connection up: neither TCP's limits
nor the server's own time limits end the wait. For MariaDB the driver has a setting for it.
"""

import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg

__all__ = ["PatientConnection"]

ANSWER_S = 40.0
"""For which an answer is waited for: longer than a statement may take, which the server sees to."""

Result = TypeVar("Result")


class PatientConnection(psycopg.Connection[Any]):
    """A connection that is given up when an answer takes too long."""

    def wait(self, gen: "Generator[Any, Any, Result]", *arguments: Any, **options: Any) -> Result:
        """Wait for an answer, as the driver does, which looks ten times a second.

        Raises:
            psycopg.OperationalError: there was none in time. The connection is closed; what became of the statement is
                not known.
        """
        return super().wait(self._limit(gen), *arguments, **options)

    def _limit(self, gen: "Generator[Any, Any, Result]") -> "Generator[Any, Any, Result]":
        until = time.monotonic() + ANSWER_S
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() > until:
                    gen.close()
                    self.close()
                    raise psycopg.OperationalError(f"the database has not answered for {ANSWER_S:g} s")
                wanted = gen.send(ready)
        except StopIteration as stop:
            found: Result = stop.value
            return found
