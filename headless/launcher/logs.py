"""Reading a job's output back, from any offset on, to the present or to the job's end."""

from collections.abc import Callable, Mapping

from headless.errors import ProtocolError
from headless.launcher.follow import Follow, read_state
from headless.launcher.link import Link, read_text
from headless.protocol.codec import Notification, decode_bytes

__all__ = ["OutputReader"]

Write = Callable[[str, bytes], None]


class OutputReader:
    """Hands a job's outputs over in order; where bytes were cut, a line says how many."""

    def __init__(self, link: Link, job_id: str, offsets: Mapping[str, int], write: Write) -> None:
        """Args:
        link: logged in; of no further use afterwards.
        job_id: of the job.
        offsets: from where on, in bytes, by stream (``stdout``, ``stderr``).
        write: is given the stream and its next bytes.
        """
        self._link = link
        self._job_id = job_id
        self._positions = dict(offsets)
        self._at_line_start = dict.fromkeys(offsets, True)
        self._write = write

    def read(self, follow: Follow, *, to_end: bool) -> None:
        """Read what is there now, or go on to the job's end; a lost connection is taken up again where it was cut.

        Args:
            follow: of the job, over the same link.
            to_end: whether to wait for the job's end.

        Raises:
            ParameterError: there is no such job, or it is somebody else's.
            TimedOut: the job goes on.
            ConnectionFailed, OutcomeUnknown: the connection was lost for good.
        """
        sizes = {} if to_end else self._read_sizes()
        if sizes and self._has_reached(sizes):
            return
        for message in follow.listen(lambda: self._positions):
            if message.method == "job.output":
                self._take(message)
                if sizes and self._has_reached(sizes):
                    return

    def _read_sizes(self) -> dict[str, int]:
        """How much output there is by now; nothing if the job is over: then its end ends the reading."""
        body = self._link.call("job.show", {"job_id": self._job_id})
        if read_state(body).is_final:
            return {}
        sizes = body.get("output")
        if not isinstance(sizes, dict) or not all(type(sizes.get(stream)) is int for stream in self._positions):
            raise ProtocolError("the server does not say how much output there is: use -f to follow the job")
        return {stream: sizes[stream] for stream in self._positions}

    def _has_reached(self, sizes: Mapping[str, int]) -> bool:
        return all(self._positions[stream] >= size for stream, size in sizes.items())

    def _take(self, message: Notification) -> None:
        stream, offset = read_text(message.params, "stream"), message.params.get("offset")
        if stream not in self._positions or type(offset) is not int or offset < self._positions[stream]:
            raise ProtocolError("a piece of output that was not asked for")
        self._mark(stream, offset - self._positions[stream])
        data = decode_bytes(read_text(message.params, "data"))
        self._positions[stream] = offset + len(data)
        if data:
            self._write(stream, data)
            self._at_line_start[stream] = data.endswith(b"\n")

    def _mark(self, stream: str, count: int) -> None:
        if count > 0:
            before = b"" if self._at_line_start[stream] else b"\n"
            self._write(stream, before + b"[headless: %d bytes were cut here]\n" % count)
            self._at_line_start[stream] = True
