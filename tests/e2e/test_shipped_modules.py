"""The modules that come with headless, each run once through a real session with the embedded server."""

import json
import os
import time
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from headless.inventory.formats import parse_report
from headless.inventory.outbox import Outbox
from inventory_collector import Answer, run_collector
from inventory_roots import make_debian
from support import World


def _make_certificate(ends_in_days: int) -> bytes:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "web.example.org")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(7)
    builder = builder.public_key(key.public_key()).not_valid_before(now - timedelta(days=1))
    builder = builder.not_valid_after(now + timedelta(days=ends_in_days, hours=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def test_certificate_expiry_fails_on_one_that_ends_soon_and_is_silent_otherwise(world: World) -> None:
    folder, result = world.home / "certificates", world.home / "result.json"
    folder.mkdir()
    (folder / "good.pem").write_bytes(_make_certificate(90))
    launch = ("-t", "-1", "-m", "certificate-expiry", "--result", str(result), "--", str(folder))
    done = world.run(*launch)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    (folder / "bad.pem").write_bytes(_make_certificate(5))
    done = world.run(*launch)
    assert (done.returncode, done.stdout) == (4, b"")
    assert "failed: exit status 1" in done.stderr.decode()
    assert f"{folder}/bad.pem: CN=web.example.org: ends in 5 days" in done.stderr.decode()
    assert "good.pem" not in done.stderr.decode()
    rows = json.loads(result.read_text())["rows"]
    assert [(os.path.basename(row["source"]), row["state"]) for row in rows] == [
        ("bad.pem", "soon"),
        ("good.pem", "well"),
    ]


def test_tidy_deletes_what_is_old_and_follows_no_link(world: World) -> None:
    folder, outside = world.home / "work", world.home / "outside"
    for place in (folder, outside):
        place.mkdir()
        for name, days in (("old.log", 40), ("new.log", 1)):
            (place / name).write_text(name)
            os.utime(place / name, (time.time() - days * 86400,) * 2)
    (folder / "link").symlink_to(outside)
    result = world.home / "result.json"
    launch = ("-t", "-1", "-m", "tidy", "--result", str(result), "--", str(folder), "--days", "30")
    done = world.run(*launch, "--dry-run")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert json.loads(result.read_text())["deleted"] == 1 and (folder / "old.log").exists()
    done = world.run(*launch)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert json.loads(result.read_text())["deleted"] == 1
    assert sorted(os.listdir(folder)) == ["link", "new.log"]
    assert sorted(os.listdir(outside)) == ["new.log", "old.log"]


def test_package_report_sends_and_keeps_what_cannot_be_sent(world: World) -> None:
    root, result = make_debian(world.home / "root"), world.home / "result.json"
    with run_collector() as collector:
        collector.answers = [Answer(503)]
        launch = ("-t", "-1", "-m", "package-report", "--result", str(result), "--", "--site", "S", "--root", str(root))
        options = ("--to", collector.url, "--spool", str(world.home / "spool"), "--retry-for", "0")
        done = world.run(*launch, *options)
        assert (done.returncode, done.stdout) == (4, b"")
        assert b"kept in" in done.stderr
        done = world.run(*launch, *options)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        assert json.loads(result.read_text())["bytes"] == len(collector.bodies[-1])
        assert [parse_report(body).site for body in collector.bodies] == ["S"] * 3
        Outbox(str(world.home / "spool")).put(b"not taken")
        collector.answers = [Answer(422)]
        done = world.run(*launch, *options)
        assert done.returncode == 4 and b"this report is sent, but 1 of those that waited could not be" in done.stderr
