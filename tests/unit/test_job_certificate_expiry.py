"""The module certificate-expiry on files and folders: what it finds, what it fails on, what it says."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs7
from cryptography.x509.oid import NameOID

from jobs import certificate_expiry

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KEY = ec.generate_private_key(ec.SECP256R1())
KEY_PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def make(
    ends_in_days: float, name: str = "example.org", now: datetime | None = None, begins_in_days: float = -400
) -> x509.Certificate:
    """Make a certificate that ends so many days from now; a name "" leaves its subject empty."""
    now = now or datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).serial_number(0xABC)
    builder = builder.public_key(KEY.public_key()).not_valid_before(now + timedelta(days=begins_in_days))
    return builder.not_valid_after(now + timedelta(days=ends_in_days)).sign(KEY, hashes.SHA256())


def pem(ends_in_days: float, name: str = "example.org") -> bytes:
    """A certificate that ends so many days from now, as PEM."""
    return make(ends_in_days, name).public_bytes(Encoding.PEM)


@pytest.mark.parametrize(
    ("ends_in_days", "begins_in_days", "state", "text"),
    [
        (30, -9, "well", "CN=example.org: ends in 30 days, on 2026-03-31 12:00 UTC"),
        (21.001, -9, "well", "CN=example.org: ends in 21 days, on 2026-03-22 12:01 UTC"),
        (21, -9, "soon", "CN=example.org: ends in 21 days, on 2026-03-22 12:00 UTC"),
        (0.5, -9, "soon", "CN=example.org: ends in 0 days, on 2026-03-02 00:00 UTC"),
        (0, -9, "soon", "CN=example.org: ends in 0 days, on 2026-03-01 12:00 UTC"),
        (-1, -9, "ended", "CN=example.org: ended on 2026-02-28 12:00 UTC"),
        (30, 2, "not begun", "CN=example.org: begins only on 2026-03-03 12:00 UTC"),
    ],
)
@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_a_certificate_is_judged_by_its_dates(
    ends_in_days: float, begins_in_days: float, state: str, text: str, encoding: Encoding
) -> None:
    data = make(ends_in_days, now=NOW, begins_in_days=begins_in_days).public_bytes(encoding)
    row = certificate_expiry.judge("here", data, NOW, timedelta(days=21))
    assert (row.source, row.state, row.text) == ("here", state, text)
    assert row.ends == (NOW + timedelta(days=ends_in_days)).replace(microsecond=0).isoformat()
    assert row.days_left == pytest.approx(ends_in_days, abs=0.01)


def test_a_certificate_without_a_subject_is_named_by_its_serial_number() -> None:
    data = make(30, name="", now=NOW).public_bytes(Encoding.DER)
    row = certificate_expiry.judge("here", data, NOW, timedelta(days=21))
    assert row.text.startswith("serial number abc: ")


def test_nothing_is_printed_when_all_is_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.pem"
    file.write_bytes(pem(30))
    assert certificate_expiry.main([str(file)]) == 0
    assert capsys.readouterr() == ("", "")


def test_verbose_names_those_that_are_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.pem"
    file.write_bytes(pem(30.5))
    assert certificate_expiry.main([str(file), "-v"]) == 0
    assert capsys.readouterr().out.startswith(f"{file}: CN=example.org: ends in 30 days, on ")


@pytest.mark.parametrize(("days", "status"), [("10.2", 0), ("10.8", 1)])
def test_the_days_decide_what_soon_is(tmp_path: Path, days: str, status: int) -> None:
    file = tmp_path / "a.pem"
    file.write_bytes(pem(10.5))
    assert certificate_expiry.main([str(file), "--days", days]) == status


def test_each_certificate_of_a_file_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "chain.pem"
    file.write_bytes(b"a comment\n" + pem(300, "leaf") + KEY_PEM + pem(5.5, "middle") + pem(-1, "root"))
    assert certificate_expiry.main([str(file)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{file}: CN=middle: ends in 5 days, on ")
    assert lines[1].startswith(f"{file}: CN=root: ended on ")
    assert len(lines) == 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (KEY_PEM, "no certificate in it"),
        (b"", "part 1 (DER) is no certificate, or damaged"),
        (b"hello\n", "part 1 (DER) is no certificate, or damaged"),
        (pem(30)[:200], "part 1 (CERTIFICATE) is no certificate, or damaged"),
        (pem(30) + pem(30)[:200], "part 2 (CERTIFICATE) is no certificate, or damaged"),
        (pem(30)[:200] + b"\n" + pem(30), "part 1 (CERTIFICATE) is no certificate, or damaged"),
        (
            pem(30).replace(b" CERTIFICATE", b" TRUSTED CERTIFICATE"),
            "part 1 (TRUSTED CERTIFICATE) is no certificate, or damaged",
        ),
        (
            pkcs7.serialize_certificates([make(30)], Encoding.PEM),
            "part 1 (PKCS7) is no certificate, or damaged",
        ),
    ],
)
def test_what_holds_no_readable_certificate_is_a_line_and_a_failure(
    tmp_path: Path, content: bytes, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.pem"
    file.write_bytes(content)
    assert certificate_expiry.main([str(file)]) == 1
    assert capsys.readouterr() == ("", f"{file}: {reason}\n")


def test_what_is_no_file_of_certificates_is_a_line_and_a_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to("nowhere")
    with open(tmp_path / "large", "wb") as file:
        file.truncate((16 << 20) + 1)
    names = ["pipe", "dangling", "large", "missing"]
    assert certificate_expiry.main([str(tmp_path / name) for name in names]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"{tmp_path}/pipe: not a regular file of at most 16 MiB",
        f"{tmp_path}/dangling: No such file or directory",
        f"{tmp_path}/large: not a regular file of at most 16 MiB",
        f"{tmp_path}/missing: no such file or folder, and not HOST:PORT",
    ]


def test_one_bad_source_hides_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.pem"
    file.write_bytes(pem(-1))
    assert certificate_expiry.main([str(tmp_path / "missing"), str(file)]) == 1
    out, err = capsys.readouterr()
    assert out.startswith(f"{file}: CN=example.org: ended on ")
    assert err.startswith(f"{tmp_path}/missing: ")


def test_a_folder_is_searched_to_its_bottom_by_suffix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "live/example.org").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/1.pem").write_bytes(pem(-1, "linked"))
    live = tmp_path / "live"
    (live / "example.org/cert.PEM").write_bytes(pem(-1, "pem"))
    (live / "example.org/link.pem").symlink_to("../../elsewhere/1.pem")
    (live / "example.org/privkey.pem").write_bytes(KEY_PEM)
    (live / "a.crt").write_bytes(make(-1, "der").public_bytes(Encoding.DER))
    (live / "b.cer").write_bytes(pem(300, "well"))
    (live / "notes.txt").write_bytes(pem(-1, "other suffix"))
    (live / "round").symlink_to("..")  # a link to a folder is not followed: else this would have no end
    assert certificate_expiry.main([str(live)]) == 1
    out, err = capsys.readouterr()
    assert [line.split(": ended")[0] for line in out.splitlines()] == [
        f"{live}/a.crt: CN=der",
        f"{live}/example.org/cert.PEM: CN=pem",
        f"{live}/example.org/link.pem: CN=linked",
    ]
    assert err == ""


def test_a_link_to_a_folder_is_not_followed_even_with_a_suffix(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.pem").write_bytes(pem(300))
    (tmp_path / "round.pem").symlink_to(".")
    assert certificate_expiry.main([str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"{tmp_path}/round.pem: not a regular file of at most 16 MiB\n"


def test_a_damaged_file_of_a_folder_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.pem").write_bytes(pem(300))
    (tmp_path / "b.pem").write_bytes(b"")
    (tmp_path / "c.pem").symlink_to("nowhere")
    assert certificate_expiry.main([str(tmp_path)]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"{tmp_path}/b.pem: part 1 (DER) is no certificate, or damaged",
        f"{tmp_path}/c.pem: No such file or directory",
    ]


@pytest.mark.parametrize("names", [[], ["notes.txt"], ["below/key.pem"]])
def test_a_folder_without_a_certificate_is_a_failure(
    tmp_path: Path, names: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(KEY_PEM)
    assert certificate_expiry.main([str(tmp_path)]) == 1
    assert capsys.readouterr() == ("", f"{tmp_path}: no certificate in it\n")


def test_a_subject_cannot_forge_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.pem"
    file.write_bytes(pem(-1, "a\nb.pem: all is well"))
    assert certificate_expiry.main([str(file)]) == 1
    assert len(capsys.readouterr().out.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["a.pem", "--days", "-1"],
        ["a.pem", "--days", "nan"],
        ["a.pem", "--days", "1e9"],
        ["a.pem", "--days", "soon"],
        ["a.pem", "--timeout", "0"],
        ["a.pem", "--timeout", "inf"],
    ],
)
def test_bad_options_are_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        certificate_expiry.main(arguments)
    assert ended.value.code == 2
    assert "certificate-expiry: error: " in capsys.readouterr().err


def reports(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """Run as a job does, with a pipe that somebody reads, and return what it reported."""
    reader, writer = os.pipe()
    with open(reader, "rb") as file, ThreadPoolExecutor(1) as pool:
        lines = pool.submit(file.readlines)
        monkeypatch.setenv("HEADLESS_REPORT_FD", str(writer))
        try:
            certificate_expiry.main(arguments)
        finally:
            os.close(writer)
        return [json.loads(line) for line in lines.result()]


def test_all_rows_are_handed_over_as_the_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.pem"
    file.write_bytes(pem(30.5) + pem(-1))
    reported = reports([str(file), "/missing"], monkeypatch)
    result = reported[-1]["result"]
    assert isinstance(result, dict)
    assert result["examined"] == 3
    assert [row["state"] for row in result["rows"]] == ["well", "ended", "unknown"]
    assert set(result["rows"][0]) == {"source", "state", "text", "ends", "days_left"}
    assert result["rows"][0]["days_left"] == pytest.approx(30.5, abs=0.1)
    assert {"progress": [2.0, 2.0]} in reported


def test_of_too_many_rows_those_that_are_not_well_are_handed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "bundle.pem"
    file.write_bytes(pem(30) * 6000 + pem(-1))
    result = reports([str(file)], monkeypatch)[-1]["result"]
    assert isinstance(result, dict)
    assert result["examined"] == 6001
    assert [row["state"] for row in result["rows"]] == ["ended"]
