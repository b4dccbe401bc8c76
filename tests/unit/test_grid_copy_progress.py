"""The line that tells how far a copy is."""

import io

from headless.grid.copy.progress import ProgressBar, describe
from headless.grid.copy.work import Gauge


def test_nothing_without_a_terminal() -> None:
    stream = io.StringIO()
    with ProgressBar(Gauge(), stream) as bar:
        bar.clear()
    assert stream.getvalue() == ""


def test_files_bytes_rate_and_what_is_left() -> None:
    gauge = Gauge(planned_files=10, planned_bytes=4 << 20, is_planned=True, moved=1 << 20)
    assert describe(gauge, 3, 1.0) == "3/10 files  1.0 MiB of 4.0 MiB  1.0 MiB/s   25%  0:03 left"
    assert describe(Gauge(planned_files=10, moved=10), 3, 1.0) == "3/10+ files  10 B  10 B/s"
