"""``headless inventory report`` to files and standard output: formats, sealing, signing, what goes wrong."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from headless.inventory.formats import parse_report
from headless.inventory.package import Package
from headless.inventory.seal import is_signed, open_sealed, verify
from inventory_identities import Holder, make_holder
from inventory_roots import STATUS, make_debian
from support import World, open_world


@pytest.fixture(scope="module")
def place() -> Iterator[World]:
    """A world with a Debian in the folder "root"."""
    with open_world() as world:
        make_debian(world.home / "root")
        yield world


@pytest.fixture(scope="module")
def anna(place: World) -> Holder:
    """A recipient, or a signer."""
    return make_holder(place.home, "anna")


@pytest.fixture(scope="module")
def bert(place: World) -> Holder:
    """Another one."""
    return make_holder(place.home, "bert")


def report(world: World, *words: str | Path, root: str = "root", stdin: bytes = b"") -> bytes:
    """Run it on the fake system; it must succeed, and say nothing. Return what it has printed."""
    done = world.run("inventory", "report", "--root", str(world.home / root), *map(str, words), stdin=stdin)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


def without_time(data: bytes) -> list[bytes]:
    """The lines that are the same each time."""
    return [line for line in data.split(b"\n") if not line.startswith(b"made: ")]


def test_this_machine_has_something_to_report(place: World) -> None:
    done = place.run("inventory", "report", "--site", "MY-SITE", "--host", "a.example.org")
    found = parse_report(done.stdout)
    assert done.returncode == 0, done.stderr
    assert (found.site, found.host) == ("MY-SITE", "a.example.org")
    assert found.kernel == os.uname().release and found.packages


@pytest.mark.peer("dpkg-query")
def test_plain_is_what_dpkg_says_byte_for_byte(place: World) -> None:
    shown = subprocess.run(
        ["dpkg-query", "-W", "--showformat=${Status}=${Package}\t${Version}\t${Architecture}\n"],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    lines = sorted(line.partition(b"=")[2] for line in shown.splitlines() if line.startswith(b"install ok installed="))
    done = place.run("inventory", "report", "--site", "S", "--plain")
    _, head, body = done.stdout.split(b"#\n", 2)
    assert body == b"".join(line + b"\n" for line in lines) + b"#\n"
    names = [line.partition(b": ")[0].decode() for line in head.splitlines()]
    assert names == sorted(set(names)) and set(names) <= {
        "arch", "cpu", "host", "kernel", "packager", "site", "system", "tag", "version",
    }  # fmt: skip


@pytest.mark.parametrize("form", ["json", "cyclonedx"])
def test_the_other_formats_tell_the_source_too(place: World, form: str) -> None:
    found = parse_report(report(place, "--site", "S", "--tag", "T", "--format", form, "--interval", "86400"))
    assert Package("dpkg", "libssl3", "3.0.11-1~deb12u2", "amd64", "openssl", "3.0.11-1") in found.packages
    assert (found.host, found.site, found.tag, found.interval) == ("node1.example.org", "S", "T", 86400)
    assert (found.os_id, found.os_version) == ("debian", "12")


def test_the_quick_way_and_the_usual_one_write_the_same(place: World) -> None:
    # What is in a file of settings is read the usual way only.
    (place.home / "settings").write_text("# all of it\nsite = S\ntag = <<END\nT\nEND\n")
    quick = report(place, "--site", "S", "--tag", "T")
    usual = report(place, "--config", place.home / "settings")
    assert without_time(quick) == without_time(usual)
    assert parse_report(quick).tag == "T"


def test_a_sealed_report_is_opened_by_openssl(place: World, anna: Holder) -> None:
    output = place.home / "sealed.der"
    assert report(place, "--site", "S", "--encrypt", anna.certificate_file, "--output", output) == b""
    words = ["openssl", "smime", "-decrypt", "-inform", "DER", "-in", str(output), "-inkey", str(anna.key_file)]
    opened = subprocess.run(words, capture_output=True, check=True).stdout
    assert parse_report(opened).host == "node1.example.org"
    assert output.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("quick", [True, False])
def test_each_recipient_can_open_it(place: World, anna: Holder, bert: Holder, quick: bool) -> None:
    files = [anna.certificate_file, bert.certificate_file]
    if not quick:  # two in one file: openssl alone would take the first
        both = place.home / "both.pem"
        both.write_bytes(b"".join(file.read_bytes() for file in files))
        files = [both]
    words = [word for file in files for word in ("--encrypt", file)]
    sealed = report(place, "--site", "S", *words)
    for holder in (anna, bert):
        assert parse_report(open_sealed(sealed, [(holder.certificate, holder.rsa_key)])).site == "S"


def test_it_is_signed_before_it_is_sealed(place: World, anna: Holder, bert: Holder) -> None:
    words = ("--sign", bert.key_file, "--sign-certificate", bert.certificate_file)
    sealed = report(place, "--site", "S", "--encrypt", anna.certificate_file, *words)
    signed = open_sealed(sealed, [(anna.certificate, anna.rsa_key)])
    assert is_signed(signed)
    assert parse_report(verify(signed, [bert.certificate])[0]).site == "S"


def test_a_certificate_that_is_over_is_used_and_told(place: World) -> None:
    old = make_holder(place.home, "old", days=-3)
    done = place.run("inventory", "report", "--site", "S", "--encrypt", str(old.certificate_file))
    assert done.returncode == 0 and b"ask the collector's keeper for a new one" in done.stderr
    assert f"the certificate is over since {old.certificate.not_valid_after_utc:%Y-%m-%d}" in done.stderr.decode()
    assert parse_report(open_sealed(done.stdout, [(old.certificate, old.rsa_key)])).site == "S"


def test_a_source_that_cannot_be_read_is_in_the_report_and_told(place: World) -> None:
    make_debian(place.home / "spoilt", STATUS[:100])
    (place.home / "spoilt/lib/apk/db").mkdir(parents=True, exist_ok=True)
    (place.home / "spoilt/lib/apk/db/installed").write_text("P:musl\nV:1-r0\nA:x86_64\n\n")
    done = place.run("inventory", "report", "--site", "S", "--root", str(place.home / "spoilt"), "--format", "json")
    assert done.returncode == 0 and b"dpkg could not be read" in done.stderr
    assert [entry.source for entry in parse_report(done.stdout).missing] == ["dpkg"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "--site NAME"),
        (["--site", " "], "--site NAME"),
        (["--site", "S", "--sight", "S"], "No such option"),
        (["--site"], "requires an argument"),
        (["--site", "S", "--root", "/nowhere"], "no such folder"),
        (["--site", "S", "--root", "{home}/empty"], "nothing to report"),
        (["--site", "S", "--encrypt", "/nowhere"], "/nowhere cannot be read"),
        (["--site", "S", "--encrypt", "/etc/hostname"], "no certificate"),
        (["--site", "S", "--encrypt", "{home}/curve.pem"], "RSA"),
        (["--site", "S", "--sign", "{home}/anna.pem"], "no key"),
        (["--site", "S", "--sign", "{home}/anna.key", "--sign-certificate", "{home}/bert.pem"], "is not the key"),
        (["--site", "S", "--sign-certificate", "{home}/bert.pem"], "--sign KEY"),
        (["--site", "S", "--output", "/nowhere/file"], "cannot be written"),
        (["--site", "S", "--interval", "soon"], "--interval"),
        (["--site", "S", "--format", "xml"], "--format"),
        (["--site", "S", "--plain", "--format", "json"], "--plain"),
        (["--site", "S", "--config", "/nowhere"], "/nowhere cannot be read"),
        (["--site", "S", "--config", "/etc/hosts"], "NAME = VALUE"),
        (["--input", "/nowhere"], "cannot be read"),
        (["--site", "S", "--python-path", "/nowhere", "--root", "{home}/empty"], ""),
        (["--site", ""], "Give --site NAME"),
        (["--site", "A/B"], "'/' is no part of a name"),
        (["--site", "S", "--host", ""], "--host is empty"),
        (["--site", "S", "--host", "a b"], "--host 'a b': ' ' is no part of a name"),
        (["--site", "S", "--host", "a#2"], "'#' is no part of a name"),
        (["--site", "S", "--host", "a@b", "--to", "http://localhost:1/"], "'@' is no part of a name"),
        (["--site", "S", "--to", "ftp://a/b"], "no URL"),
        (["--site", "S", "--to", "http://a..b/"], "no URL"),
        (["--site", "S", "--cron"], "--to URL"),
    ],
)
def test_what_is_wrong_is_one_line_and_status_2(
    place: World, anna: Holder, bert: Holder, words: list[str], reason: str
) -> None:
    (place.home / "empty").mkdir(exist_ok=True)
    make_holder(place.home, "curve", elliptic=True)
    done = place.run("inventory", "report", *(word.format(home=place.home) for word in words))
    if not reason:  # nothing else is there, so what is missing is all that there is to report
        assert done.returncode == 0 and b"missing: python" in done.stdout
        return
    assert (done.returncode, done.stdout) == (2, b"")
    assert reason in done.stderr.decode() and done.stderr.count(b"\n") == 1


def test_a_full_disk_is_told(place: World) -> None:
    words = ("inventory", "report", "--site", "S", "--root", str(place.home / "root"))
    done = place.run(*words, "--output", "/dev/full")
    assert done.returncode == 2 and b"No space left" in done.stderr


@pytest.mark.parametrize("form", ["text", "json", "cyclonedx"])
def test_a_relayed_report_gets_a_site_and_keeps_the_rest(place: World, form: str) -> None:
    made = report(place, "--site", "OLD", "--format", form)
    file = place.home / f"made.{form}"
    file.write_bytes(made)
    done = place.run("inventory", "report", "--input", "-", "--site", "NEW", stdin=made)
    assert done.returncode == 0, done.stderr
    again = place.run("inventory", "report", "--input", str(file))
    assert again.stdout == made
    old, new = parse_report(made), parse_report(done.stdout)
    assert (new.site, new.packages, new.made, new.host) == ("NEW", old.packages, old.made, old.host)


@pytest.mark.parametrize("change", ["cut", "sealed"])
def test_what_cannot_be_believed_or_changed_is_not_relayed(place: World, anna: Holder, change: str) -> None:
    made = report(place, "--site", "S", *(("--encrypt", str(anna.certificate_file)) if change == "sealed" else ()))
    data = made[:-9] if change == "cut" else made
    done = place.run("inventory", "report", "--input", "-", "--site", "NEW", stdin=data)
    assert done.returncode == 2 and done.stdout == b""
    assert (b"cut short" if change == "cut" else b"sealed") in done.stderr


def test_real_settings_of_the_old_client_are_understood(place: World, anna: Holder) -> None:
    pem = anna.certificate_file.read_text()
    text = f"# WLCG\ntag = MWR\nexpect = 200 th4nk y0u\nrpm = /bin/rpm\nnonsense = 1\nencrypt = <<EOT\n{pem}EOT\n"
    (place.home / "old.conf").write_text(text)
    words = ("--site", "S", "--root", str(place.home / "root"), "--config", str(place.home / "old.conf"))
    done = place.run("inventory", "report", *words)
    assert done.returncode == 0 and b"old.conf: 'nonsense' is not known" in done.stderr
    assert b"known are ca-file, certificate, " in done.stderr and b", url" in done.stderr
    assert parse_report(open_sealed(done.stdout, [(anna.certificate, anna.rsa_key)])).tag == "MWR"


def test_a_site_may_have_blanks_and_what_cannot_be_read_is_named_once(place: World) -> None:
    assert parse_report(report(place, "--site", "Two Words")).site == "Two Words"
    shutil.copytree(place.home / "root", place.home / "cut", symlinks=True)
    status = place.home / "cut/var/lib/dpkg/status"
    status.write_bytes(status.read_bytes()[:100])
    done = place.run("inventory", "report", "--site", "S", "--root", str(place.home / "cut"))
    assert done.returncode == 0 and b"missing: dpkg: the list is cut short" in done.stdout


def test_names_with_control_characters_end_no_line(place: World) -> None:
    found = report(place, "--site", "S\nhost: other", "--tag", "a\x1b[31m<b>")
    assert parse_report(found).site == "S host: other"
    assert json.loads(report(place, "--site", "S\nx", "--format", "json"))["site"] == "S x"
