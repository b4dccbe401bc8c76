"""The reporter's spool: what could not be sent is kept, in turn, by one run at a time; a relay."""

import os
import resource
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from email.utils import formatdate
from pathlib import Path

import pytest

from headless.errors import ParameterError
from headless.inventory.delivery import Delivery, deliver
from headless.inventory.formats import parse_report
from headless.inventory.outbox import Outbox
from headless.inventory.send import Collector
from inventory_collector import Answer, ScriptedCollector
from inventory_sending import kept, send, words
from support import HEADLESS, TIME_SCALE, World, wait_for


@pytest.mark.parametrize("status", [503, 429, 408])
def test_what_is_not_taken_is_kept_and_sent_before_the_next(
    place: World, collector: ScriptedCollector, status: int
) -> None:
    collector.answers = [Answer(status), Answer(status)]
    for count in range(2):
        done = send(place, collector)
        assert (
            done.returncode == 1
            and b"sent by the next run to this URL" in done.stderr
            and done.stderr.count(b"\n") == 1
        )
        assert (b": 2 wait there, the first since 20" in done.stderr) == (count == 1)
    assert len(kept(place)) == 2
    waiting = [path.read_bytes() for path in kept(place)]
    assert send(place, collector).returncode == 0
    assert collector.bodies[2:4] == waiting and len(collector.bodies) == 5
    assert kept(place) == []
    folders = list(place.home.glob(".local/state/headless/inventory/*"))
    assert [path.stat().st_mode & 0o777 for path in folders] == [0o700]


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_collector_that_asks_for_time_is_not_asked_before(
    place: World, collector: ScriptedCollector, form: str
) -> None:
    after = "3600" if form == "seconds" else formatdate(time.time() + 3600, usegmt=True)
    collector.answers = [Answer(503, {"Retry-After": after})]
    assert send(place, collector).returncode == 1
    done = send(place, collector)
    assert done.returncode == 1 and b"asked not to be asked again" in done.stderr
    assert len(collector.taken) == 1 and len(kept(place)) == 2
    [mark] = place.home.glob(".local/state/headless/inventory/*/.retry-at")
    mark.write_text(f"{time.time() - 1}\n")
    assert send(place, collector).returncode == 0
    assert len(collector.taken) == 4 and not mark.exists()


@pytest.mark.parametrize("status", [400, 409, 413, 422])
def test_what_will_never_be_taken_is_put_aside(place: World, collector: ScriptedCollector, status: int) -> None:
    collector.answers = [Answer(status, body=b"cut short")]
    done = send(place, collector)
    assert done.returncode == 2 and b"cut short" in done.stderr and b"put aside as /" in done.stderr
    assert kept(place) == []
    [refused] = place.home.glob(".local/state/headless/inventory/*/*.refused")
    assert refused.read_bytes() == collector.bodies[0]
    assert f"{status}: cut short" in Path(f"{refused}.reason").read_text()
    assert send(place, collector).returncode == 0 and len(collector.bodies) == 2


def test_one_that_is_never_taken_holds_up_no_other(place: World, collector: ScriptedCollector) -> None:
    collector.answers = [Answer(503), Answer(413)]
    send(place, collector)
    done = send(place, collector)
    assert done.returncode == 1 and b"taken out of the spool" in done.stderr
    assert b"this report is sent, but 1 of those that waited could not be" in done.stderr
    assert kept(place) == [] and len(collector.taken) == 3
    done = send(place, collector)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("fault", [Answer(500), Answer(502), Answer(200, body=b"no"), Answer(hang_up=True)])
def test_one_that_a_collector_fails_on_is_passed_by_the_others(
    place: World, collector: ScriptedCollector, fault: Answer
) -> None:
    spool = place.home / "spool"
    bodies = [b"first", b"second", b"third"]
    for body in bodies:
        Outbox(str(spool)).put(body)
    collector.answers = [fault]
    collector.answers += [Answer(body=b"OK"), Answer(body=b"OK"), Answer(body=b"OK")]
    relay = ("inventory", "relay", "--spool", str(spool), "--to", collector.url, "--expect", "OK", "--retry-for", "0")
    done = place.run(*relay)
    assert done.returncode == 1 and b"is tried again in 300 s" in done.stderr and b"1 of the reports" in done.stderr
    assert collector.bodies == bodies and [path.read_bytes() for path in spool.glob("*.report")] == [b"first"]
    Outbox(str(spool)).put(b"fourth")
    done = place.run(*relay)
    assert done.returncode == 1 and collector.bodies == [*bodies, b"fourth"]  # the first one's time has not come
    [later] = spool.glob("*.later")
    later.write_text(f"1 {time.time() - 1:.0f}\n")
    Outbox(str(spool)).put(b"fifth")
    collector.answers = [Answer(body=b"OK"), fault]
    done = place.run(*relay)
    assert done.returncode == 1 and b"in 600 s" in done.stderr
    assert collector.bodies[4:] == [b"fifth", b"first"]  # what has failed waits for what has not
    later.unlink()
    collector.answers = [Answer(body=b"OK")]
    done = place.run(*relay)
    assert (done.returncode, done.stderr) == (0, b"")
    assert sorted(path.name for path in spool.iterdir()) == [".lock"]


def test_a_collector_that_fails_on_all_is_not_sent_all(place: World, collector: ScriptedCollector) -> None:
    spool = Outbox(str(place.home / "spool"))
    for number in range(6):
        spool.put(b"%d" % number)
    collector.answers = [Answer(500)] * 6
    done = send(place, collector, "--spool", spool.folder)
    assert done.returncode == 1 and b"and sent by the next run with this spool" in done.stderr
    assert collector.bodies[:3] == [b"0", b"1", b"2"] and len(collector.bodies) == 4
    assert len(spool.names()) == 7


def test_a_relay_tries_again_for_a_while_if_a_collector_fails_on_all(
    place: World, collector: ScriptedCollector
) -> None:
    spool = Outbox(str(place.home / "spool"))
    spool.put(b"1")
    collector.answers = [Answer(500)]
    relay = ("inventory", "relay", "--spool", spool.folder, "--to", collector.url, "--retry-for", "60")
    assert place.run(*relay).returncode == 0
    assert collector.bodies == [b"1", b"1"] and spool.names() == []


def test_without_a_home_it_is_sent_all_the_same(place: World, collector: ScriptedCollector) -> None:
    environment = {"HOME": "/proc/nowhere"}
    assert place.run(*words(place, collector.url), environment=environment).returncode == 0
    collector.answers = [Answer(503)]
    done = place.run(*words(place, collector.url), environment=environment)
    assert done.returncode == 1 and b"no spool to keep it in" in done.stderr


def test_two_at_once_send_nothing_twice(place: World, collector: ScriptedCollector) -> None:
    collector.answers = [Answer(503), Answer(503)]
    send(place, collector)
    send(place, collector)
    go = threading.Event()
    collector.has_come.clear()
    collector.answers = [Answer(hold=go)]
    runs = [place.start(*words(place, collector.url, retry_for=60)) for _ in range(3)]
    assert collector.has_come.wait(30 * TIME_SCALE)
    go.set()
    assert [run.wait(60 * TIME_SCALE) for run in runs] == [0, 0, 0]
    assert len(collector.bodies) == 2 + 2 + 3
    waiting = collector.bodies[:2]
    assert [collector.bodies[2:].count(body) >= 1 for body in waiting] == [True, True]
    assert kept(place) == []


def test_a_run_that_does_not_get_its_turn_keeps_its_report(place: World, collector: ScriptedCollector) -> None:
    collector.answers = [Answer(503)]
    send(place, collector)
    folder = kept(place)[0].parent
    with Outbox(str(folder)).turn(0) as is_ours:
        assert is_ours
        done = send(place, collector)
    assert done.returncode == 1 and b"another run is sending" in done.stderr
    assert len(kept(place)) == 2 and len(collector.taken) == 1


def test_a_relay_sends_what_others_have_spooled(place: World, collector: ScriptedCollector) -> None:
    spool = str(place.home / "spool")
    for tag in ("one", "two"):
        root = str(place.home / "root")
        done = place.run("inventory", "report", "--site", "S", "--root", root, "--tag", tag, "--spool", spool)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    (place.home / "spool/evil.report").symlink_to("/etc/passwd")
    relay = ("inventory", "relay", "--spool", spool, "--to", collector.url, "--retry-for", "0")
    collector.answers = [Answer(503)]
    assert place.run(*relay).returncode == 1
    done = place.run(*relay)
    assert done.returncode == 1 and b"evil.report was left there: it is no report" in done.stderr
    assert b"1 of the reports in" in done.stderr
    assert [parse_report(body).tag for body in collector.bodies] == ["one", "one", "two"]
    assert os.listdir(spool).count("evil.report") == 1
    (place.home / "spool/evil.report").unlink()
    assert place.run(*relay).returncode == 0
    assert place.run("inventory", "relay", "--spool", spool).returncode == 2
    done = place.run("inventory", "relay", "--spool", spool + "2", "--to", collector.url)
    assert done.returncode == 2 and b"no such folder" in done.stderr and not (place.home / "spool2").exists()


def test_what_another_user_has_spooled_is_named_and_left(place: World, collector: ScriptedCollector) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can run as somebody else")
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o1777)
    spool = Outbox(str(folder))
    spool.put(b"report")

    said: list[str] = []
    delivery = Delivery(Collector(url=collector.url), Outbox(str(folder)), 0, said.append)
    os.seteuid(65534)
    try:
        assert deliver(delivery, None) == 1
        assert len(said) == 1 and said[0].endswith("was left there: Permission denied: it is of root")
        (folder / ".lock").unlink()
        os.seteuid(0)
        with spool.turn(0):
            os.seteuid(65534)
            with pytest.raises(ParameterError, match=r"root sends from .*\.lock.*: run this as root, or .* --spool"):
                deliver(delivery, None)
        assert collector.taken == [] and len(spool.names()) == 1
    finally:
        os.seteuid(0)
        shutil.rmtree(folder)


def test_a_signal_ends_it_and_the_report_is_kept(place: World, collector: ScriptedCollector) -> None:
    collector.answers = [Answer(503)]
    run = place.start(*words(place, collector.url, retry_for=600))
    assert collector.has_come.wait(30 * TIME_SCALE)
    run.terminate()
    _, said = run.communicate(timeout=30 * TIME_SCALE)
    assert run.returncode == -signal.SIGTERM and b"ended by SIGTERM: not sent; kept in" in said
    assert [path.read_bytes() for path in kept(place)] == collector.bodies[:1]


def test_a_spool_of_somebody_else_is_not_used_and_keeps_no_report_from_its_collector(
    place: World, collector: ScriptedCollector
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a folder somebody else's")
    folder = place.home / "theirs"
    folder.mkdir()
    os.chown(folder, 12345, 12345)
    folder.chmod(0o777)
    done = send(place, collector, "--spool", str(folder))
    assert done.returncode == 0 and b"not kept: the spool" in done.stderr and b"belongs to user 12345" in done.stderr
    assert len(collector.taken) == 1
    collector.answers = [Answer(503)]
    done = send(place, collector, "--spool", str(folder))
    assert done.returncode == 1 and b"there is no spool to keep it in" in done.stderr and not list(folder.iterdir())
    collector.taken.clear()
    relay = ("inventory", "relay", "--spool", str(folder), "--to", collector.url)
    assert place.run(*relay).returncode == 2 and collector.taken == []


def test_the_spool_of_before_is_taken_over(tmp_path: Path) -> None:
    old, new = Outbox(str(tmp_path / "old")), Outbox(str(tmp_path / "new"))
    for body in (b"first", b"second"):
        old.put(body)
    with old.turn(0):
        new.take_over(old)  # somebody sends from it at this moment
    assert new.names() == []
    new.take_over(old)
    assert [new.read(name) for name in new.names()] == [b"first", b"second"] and old.names() == []


def test_a_spool_that_is_full_loses_the_oldest_and_says_so(tmp_path: Path) -> None:
    outbox = Outbox(str(tmp_path / "spool"), count_limit=3, byte_limit=1000)
    first = [outbox.put(f"{number}".encode()) for number in range(3)]
    assert [dropped for _, dropped in first] == [[], [], []]
    oldest = outbox.names()[0]
    assert outbox.put(b"3")[1] == [oldest]
    assert len(outbox.put(b"x" * 990)[1]) == 1
    assert len(outbox.put(b"y" * 990)[1]) == 3 and len(outbox.names()) == 1
    assert outbox.put(b"z" * 2000)[1] != [] and len(outbox.names()) == 1


def test_a_killed_run_leaves_whole_reports_only(place: World, collector: ScriptedCollector) -> None:
    go = threading.Event()
    collector.answers = [Answer(503), Answer(hold=go)]
    send(place, collector)
    collector.has_come.clear()
    run = place.start(*words(place, collector.url, retry_for=60))
    assert collector.has_come.wait(30 * TIME_SCALE)
    run.kill()
    run.wait(30 * TIME_SCALE)
    go.set()
    wait_for(lambda: len(collector.taken) == 2, "both requests")
    assert len(kept(place)) == 1
    assert send(place, collector).returncode == 0
    assert collector.bodies[2] == collector.bodies[0] and kept(place) == []


def test_a_spool_on_a_full_disk_is_told_and_leaves_no_half_report(place: World, collector: ScriptedCollector) -> None:
    collector.answers = [Answer(503)]
    done = subprocess.run(
        [HEADLESS, *words(place, collector.url)],
        env=place.environment, capture_output=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),  # every write fails, as on a full disk
    )  # fmt: skip
    assert done.returncode == 1 and b"could not be kept" in done.stderr
    folder = place.home / ".local/state/headless/inventory"
    assert [path for path in folder.glob("*/*") if path.stat().st_size] == [] and kept(place) == []


def test_what_was_kept_for_a_mistyped_url_is_told_by_the_runs_to_another(
    place: World, collector: ScriptedCollector
) -> None:
    wrong = collector.url.replace("//", "//me:s3cret@") + "/typo"
    collector.answers = [Answer(404), Answer(404)]
    for _ in range(2):
        done = place.run(*words(place, wrong))
        assert done.returncode == 2 and b"see --to; kept in " in done.stderr and b"next run" not in done.stderr
    folder = kept(place)[0].parent
    assert (folder / ".url").stat().st_mode & 0o777 == 0o600 and "s3cret" not in (folder / ".url").read_text()
    done = send(place, collector)
    assert done.returncode == 0 and done.stderr.count(b"\n") == 1 and b"s3cret" not in done.stderr
    assert f"2 kept for {collector.url}/typo since 2".encode() in done.stderr
    assert f"relay --spool {folder} --to URL".encode() in done.stderr
    assert place.run("inventory", "relay", "--spool", str(folder), "--to", collector.url).returncode == 0
    assert send(place, collector).stderr == b""


def test_a_relays_spool_is_where_it_takes_reports_from(place: World) -> None:
    said = place.run("inventory", "relay", "--help").stdout
    assert b"Send what waits in this folder" in said and b"keep it for a relay" not in said
