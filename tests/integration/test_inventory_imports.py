"""What a report imports: next to nothing on the quick way, and never what only the collector has."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from headless.inventory import openssl
from headless.inventory.openssl import Sealer
from headless.inventory.seal import open_sealed
from inventory_identities import make_holder
from inventory_roots import make_debian

ROOT = Path(__file__).resolve().parents[2]
RUN = "import sys; sys.path[:0] = sys.argv.pop(1).split(':'); from headless.__main__ import run; run()"
SLOW = {"click", "re", "typing", "dataclasses", "collections", "enum", "hashlib", "subprocess", "json", "cryptography"}
COLLECTORS = {"sqlalchemy", "starlette", "uvicorn", "jinja2", "asn1crypto", "packaging", "httpx"}


def find_imports(*words: str) -> set[str]:
    """The packages that a command imports; none of what a start by ``site`` would."""
    paths = ":".join([str(ROOT), *(path for path in sys.path if path.endswith("site-packages"))])
    argv = [sys.executable, "-I", "-S", "-X", "importtime", "-c", RUN, paths, "inventory", "report", *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in re.findall(r"(?m)^import time:.*\| +(\S+)$", done.stderr)}


def test_the_quick_way_imports_nothing_slow(tmp_path: Path) -> None:
    holder, root = make_holder(tmp_path, "anna"), make_debian(tmp_path / "root")
    output = tmp_path / "sealed"
    words = ("--site", "S", "--root", str(root), "--encrypt", str(holder.certificate_file), "--output", str(output))
    assert find_imports(*words) & (SLOW | COLLECTORS) == set()
    assert b"libssl3" in open_sealed(output.read_bytes(), [(holder.certificate, holder.rsa_key)])


def test_the_usual_way_needs_nothing_of_the_collectors(tmp_path: Path) -> None:
    holder, root = make_holder(tmp_path, "anna"), make_debian(tmp_path / "root")
    words = ("--site", "S", "--root", str(root), "--format", "json", "--spool", str(tmp_path / "spool"))
    sign = ("--sign", str(holder.key_file), "--sign-certificate", str(holder.certificate_file))
    imported = find_imports(*words, *sign)
    assert "cryptography" in imported and imported & COLLECTORS == set()


def test_openssl_is_left_out_where_it_could_not_do_what_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = make_holder(tmp_path, "good")
    old, curve = make_holder(tmp_path, "old", days=-1), make_holder(tmp_path, "curve", elliptic=True)
    both = tmp_path / "both.pem"
    both.write_bytes(good.certificate_file.read_bytes() * 2)
    for file in (old.certificate_file, curve.certificate_file, both, good.key_file, tmp_path / "missing"):
        assert Sealer.start([str(good.certificate_file), str(file)]) is None
    monkeypatch.setattr(openssl, "COMMANDS", ("/nowhere/openssl",))
    assert Sealer.start([str(good.certificate_file)]) is None


def test_an_openssl_that_fails_seals_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = make_holder(tmp_path, "good")
    monkeypatch.setattr(openssl, "COMMANDS", ("/bin/false",))
    sealer = Sealer.start([str(good.certificate_file)])
    assert sealer is not None and sealer.finish(b"x" * 1_000_000) is None


@pytest.mark.parametrize("size", [0, 1, 100, 200_000, 5_000_000])
def test_reports_of_every_size_go_through_the_pipes(tmp_path: Path, size: int) -> None:
    good = make_holder(tmp_path, "good")
    sealer = Sealer.start([str(good.certificate_file)])
    assert sealer is not None
    sealed = sealer.finish(b"x" * size)
    assert sealed is not None and open_sealed(sealed, [(good.certificate, good.rsa_key)]) == b"x" * size
