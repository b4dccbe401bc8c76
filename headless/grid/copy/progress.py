"""A line on a terminal that tells how far the copying is; nothing where there is no terminal."""

import shutil
import sys
import threading
import time
from typing import TextIO

from headless.grid.copy.work import Gauge

__all__ = ["ProgressBar"]

PAUSE_S = 0.2
UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


class ProgressBar:
    """Draws itself in a thread of its own while it is used as a context manager."""

    def __init__(self, gauge: Gauge, stream: TextIO | None = None) -> None:
        self._gauge = gauge
        self._stream = stream or sys.stderr
        self._begun_at = time.monotonic()
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.ended = 0

    def __enter__(self) -> "ProgressBar":
        if self._stream is not None and self._stream.isatty():
            self._thread = threading.Thread(target=self._draw, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._thread is not None:
            self._over.set()
            self._thread.join()
            self.clear()

    def clear(self) -> None:
        """Make way for a line of another's."""
        if self._thread is not None:
            with self._lock:
                self._stream.write("\r\x1b[K")
                self._stream.flush()

    def _draw(self) -> None:
        while not self._over.wait(PAUSE_S):
            line = describe(self._gauge, self.ended, time.monotonic() - self._begun_at)
            with self._lock:
                self._stream.write("\r" + line[: shutil.get_terminal_size().columns - 1] + "\x1b[K")
                self._stream.flush()


def describe(gauge: Gauge, ended: int, seconds: float) -> str:
    """The line: files, bytes, rate, and what remains as far as that is known."""
    rate = gauge.moved / max(seconds, 0.001)
    more = "" if gauge.is_planned else "+"
    parts = [f"{ended}/{gauge.planned_files}{more} files", f"{show_bytes(gauge.moved)}", f"{show_bytes(rate)}/s"]
    if gauge.planned_bytes and gauge.is_planned and rate:
        share = min(gauge.moved / gauge.planned_bytes, 1)
        left_s = max(gauge.planned_bytes - gauge.moved, 0) / rate
        parts[1] += f" of {show_bytes(gauge.planned_bytes)}"
        parts += [f"{share:4.0%}", f"{left_s // 60:.0f}:{left_s % 60:02.0f} left"]
    return "  ".join(parts)


def show_bytes(size: float) -> str:
    """A number of bytes for people."""
    unit = 0
    while size >= 1024 and unit < len(UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.0f} B" if unit == 0 else f"{size:.1f} {UNITS[unit]}"
