"""A thousand launchers at midnight (50 in the suite), few places to run and few to wait: all are served."""

from collections import Counter

import pytest

from fault_support import JOB, check_log, finish_all, list_jobs, scale, start_all
from support import World

CROWD = scale(50, 1000)


@pytest.mark.alone  # a crowd leaves others no time
def test_all_are_served_though_the_server_is_full(world: World) -> None:
    server = world.serve("--max-running", "4", "--max-waiting", "10")
    service = [["-s", server.unix], server.add_user("batch", "--allow-code")]
    lines = world.home / "lines"
    words = ["-v", "--connect-for", "300", "-t", "-1", "-o", "-", "-c", JOB, "--", str(lines), ""]
    launchers = start_all(world, ([*service[each % 2], *words, str(each), "0", "0", "0"] for each in range(CROWD)))
    found = finish_all(launchers, 400)
    assert [code for code, _, _ in found] == [0] * CROWD, found
    assert [stdout.decode() for _, stdout, _ in found] == [f"output of {each}\n" for each in range(CROWD)]
    assert any("the server is full" in talk for _, _, talk in found)  # else this has tried nothing
    ran = Counter(map(int, lines.read_text().split()))
    assert ran == Counter(range(CROWD))
    states = Counter(job["state"] for job in list_jobs(world, ["-s", server.unix]))
    assert states == {"ended": CROWD}
    check_log(server)
