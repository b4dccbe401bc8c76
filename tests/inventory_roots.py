"""Folders that hold what a system keeps of its packages, for ``--root``; a real rpm database among them."""

import sqlite3
import subprocess
from pathlib import Path

STATUS = """\
Package: bash
Status: install ok installed
Architecture: amd64
Version: 5.2.15-2+b2
Description: shell
 Version: 9 of a continuation line

Package: libssl3
Status: hold ok installed
Architecture: amd64
Source: openssl (3.0.11-1)
Version: 3.0.11-1~deb12u2
Description: library

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1.0
Description: removed

Package: half
Status: install ok half-configured
Architecture: all
Source: whole
Version: 2:2.0
Description: not set up

"""
SPEC = """\
Name: {name}
Version: {version}
Release: {release}
{epoch}Summary: a test's
License: none
BuildArch: noarch
{source}
%description
Nothing.
%files
"""


def make_debian(root: Path, status: str = STATUS) -> Path:
    """A Debian with these packages."""
    for folder in ("var/lib/dpkg/info", "etc"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "var/lib/dpkg/status").write_text(status)
    (root / "etc/os-release").write_text('ID=debian\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\n')
    (root / "etc/issue.net").write_text("Debian GNU/Linux 12\n")
    (root / "etc/hostname").write_text("node1.example.org\n")
    (root / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    return root


def make_rpms(root: Path, work: Path) -> Path:
    """Build packages with rpmbuild and put them into a database below a root; return the database's folder.

    Two kernels, an epoch, a tilde and a caret are among them.
    """
    database = root / "var/lib/rpm"
    database.mkdir(parents=True)
    work.mkdir(parents=True, exist_ok=True)
    for name, version, release, epoch in (
        ("kernel", "5.14.0", "427.el9", 0),
        ("kernel", "5.14.0", "503.el9", 0),
        ("bind-libs", "9.16.23", "18.el9", 32),
        ("odd", "1.0~rc1^git5", "1", 0),
    ):
        spec = work / f"{name}-{release}.spec"
        line = f"Epoch: {epoch}\n" if epoch else ""
        spec.write_text(SPEC.format(name=name, version=version, release=release, epoch=line, source=""))
        run("rpmbuild", "-bb", "--quiet", "--define", f"_topdir {work}", "--define", "_build_id_links none", str(spec))
    files = [str(path) for path in sorted((work / "RPMS/noarch").glob("*.rpm"))]
    words = (
        "--justdb",
        "--nodeps",
        "--noscripts",
        "--force",
        "--dbpath",
        str(database),
        "--define",
        f"_tmppath {work}",
    )
    for file in files:
        run("rpm", "-i", *words, file)
    (root / "etc").mkdir(exist_ok=True)
    (root / "etc/redhat-release").write_text("AlmaLinux release 9.4 (Seafoam Ocelot)\n")
    return database


def run(*words: str) -> str:
    """Run a program to its end; it must succeed."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


def turn_to_bdb(database: Path) -> None:
    """Put what is in rpm's SQLite database into one of Berkeley DB, with its own tool: that is how rpm 4.15 had it."""
    connection = sqlite3.connect(database / "rpmdb.sqlite")
    entries = [(0, (99).to_bytes(4, "little")), *connection.execute("SELECT hnum, blob FROM Packages")]
    connection.close()
    lines = [f" {number.to_bytes(4, 'little').hex()}\n {blob.hex()}\n" for number, blob in entries]
    dump = "VERSION=3\nformat=bytevalue\ntype=hash\ndb_pagesize=4096\nHEADER=END\n" + "".join(lines) + "DATA=END\n"
    subprocess.run(["db5.3_load", database / "Packages"], input=dump, text=True, check=True)
    for file in database.glob("rpmdb.sqlite*"):
        file.unlink()
