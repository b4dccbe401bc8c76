"""The secret file: what is taken, what is refused with the command that mends it, and how it is made."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import bcrypt
import pytest

from headless.errors import ParameterError
from headless.launcher.secret import check_salt, create_secret, hash_password, read_secret, salt_of

TEXT = b"$2b$12$foUnLUEMk9T/T79yieoE/.Mwlt0EvEFdIBXM2tXz0RaUoQBmyKB.O"
SALT = "$2b$10$foUnLUEMk9T/T79yieoE/."

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
needs_user = pytest.mark.skipif(os.geteuid() == 0, reason="root can read every file")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A good secret file."""
    path = tmp_path / "a folder" / "secret"
    create_secret(str(path), TEXT)
    return path


def replace(path: Path, data: bytes) -> None:
    """Put something else into a 0400 file."""
    path.unlink()
    path.write_bytes(data)
    path.chmod(0o400)


@pytest.mark.parametrize("data", [TEXT, TEXT + b"\n", TEXT + b"\r\n", TEXT.replace(b"2b", b"2y")])
def test_a_good_file_gives_its_text(secret: Path, data: bytes) -> None:
    replace(secret, data)
    assert read_secret(str(secret)) == data.rstrip()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (TEXT + b"\n" + TEXT + b"\n", "has more than one line"),
        (TEXT + b"\n\n", "has more than one line"),
        (b"hunter2\n", "holds no bcrypt hash"),
        (TEXT[:-1], "holds no bcrypt hash"),
        (TEXT + b" ", "holds no bcrypt hash"),
        (b"\xff\0" * 30, "holds no bcrypt hash"),
        (bytes(100_000), "holds no bcrypt hash"),
    ],
)
def test_another_content_is_refused_and_never_shown(secret: Path, data: bytes, reason: str) -> None:
    replace(secret, data)
    with pytest.raises(ParameterError) as error:
        read_secret(str(secret))
    assert str(error.value) == f"secret file {secret} {reason}: rm '{secret}', then run this at a terminal once"


@pytest.mark.parametrize("mode", [0o644, 0o440, 0o404, 0o600 | 0o010, 0o402])
def test_a_file_open_to_others_is_refused_with_its_chmod(secret: Path, mode: int) -> None:
    secret.chmod(mode)
    with pytest.raises(ParameterError, match=rf"is open to others \(mode 0{mode:o}\): chmod 400 '{secret}'"):
        read_secret(str(secret))


def test_a_file_that_its_owner_may_write_is_taken(secret: Path) -> None:
    secret.chmod(0o600)
    assert read_secret(str(secret)) == TEXT


def make_link(path: Path) -> None:
    """Put a link in the file's place."""
    path.rename(path.with_name("real"))
    path.symlink_to("real")


def make_folder(path: Path) -> None:
    """Put a folder in the file's place."""
    path.unlink()
    path.mkdir()


def make_fifo(path: Path) -> None:
    """Put a FIFO in the file's place, which nobody writes to: who opens it naively waits for ever."""
    path.unlink()
    os.mkfifo(path, 0o400)


def make_hard_link(path: Path) -> None:
    """Give the file another name."""
    os.link(path, path.with_name("other"))


def open_folder(path: Path) -> None:
    """Let others write the folder."""
    path.parent.chmod(0o777)


def open_upper_folder(path: Path) -> None:
    """Let the group write the folder above."""
    path.parent.parent.chmod(0o770)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (Path.unlink, "is missing: run this once at a terminal to create it, or see 'headless user add --secret-out'"),
        (make_link, "is a link: give the file itself, --secret '{folder}/real'"),
        (make_folder, "is a folder: give the file in it with --secret"),
        (make_fifo, "is no regular file: give one with --secret"),
        (make_hard_link, "has another name too, a hard link: rm the one that find / -xdev -samefile '{path}' names"),
    ],
)
def test_what_is_no_plain_file_is_refused(secret: Path, spoil: Callable[[Path], None], reason: str) -> None:
    spoil(secret)
    with pytest.raises(ParameterError) as error:
        read_secret(str(secret))
    assert str(error.value) == f"secret file {secret} " + reason.format(folder=secret.parent, path=secret)


@pytest.mark.parametrize(("spoil", "levels"), [(open_folder, 1), (open_upper_folder, 2)])
def test_a_folder_that_others_may_write_is_refused(secret: Path, spoil: Callable[[Path], None], levels: int) -> None:
    spoil(secret)
    folder = secret.parents[levels - 1]
    with pytest.raises(ParameterError) as error:
        read_secret(str(secret))
    assert f"others may write its folder {folder}: chmod go-w " in str(error.value)
    folder.chmod(0o1777)  # as /tmp is: there nobody can replace the files of others
    assert read_secret(str(secret)) == TEXT


@needs_root
def test_a_file_of_another_user_is_refused_with_its_chown(secret: Path) -> None:
    os.chown(secret, 65534, 65534)
    with pytest.raises(ParameterError, match=f"belongs to another user: chown 0 '{secret}'"):
        read_secret(str(secret))


@needs_root
def test_a_folder_of_another_user_is_refused(secret: Path) -> None:
    os.chown(secret.parent, 65534, 65534)
    with pytest.raises(ParameterError, match=f"its folder {secret.parent} belongs to another user: mv it"):
        read_secret(str(secret))


@needs_user
def test_a_file_that_cannot_be_read_is_refused_with_its_chown(secret: Path) -> None:
    secret.chmod(0)
    with pytest.raises(ParameterError, match=f"cannot be read by this user: chown {os.geteuid()} '{secret}'"):
        read_secret(str(secret))


def test_a_credential_of_systemd_may_carry_the_mask_of_its_acl(secret: Path) -> None:
    secret.chmod(0o440)  # what stat shows of a file of 0400 with an ACL entry for one more user
    assert read_secret(str(secret), str(secret.parent)) == TEXT
    with pytest.raises(ParameterError, match="open to others"):
        read_secret(str(secret), str(secret.parent.parent))
    secret.chmod(0o444)
    with pytest.raises(ParameterError, match="open to others"):
        read_secret(str(secret), str(secret.parent))


def test_a_made_file_is_0400_in_a_0700_folder(tmp_path: Path) -> None:
    path = tmp_path / "new" / "secret"
    create_secret(str(path), TEXT)
    assert path.read_bytes() == TEXT + b"\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o400
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch, lambda path: path.symlink_to("nowhere")])
def test_nothing_is_ever_overwritten(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "secret"
    make(path)
    with pytest.raises(ParameterError, match="exists already: remove it first"):
        create_secret(str(path), TEXT)
    assert not (tmp_path / "nowhere").exists()
    assert not path.is_file() or path.read_bytes() == b""


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ParameterError, match="file of the secret file cannot be made: File exists"):
        create_secret(str(tmp_path / "file" / "secret"), TEXT)


def test_the_hash_is_bcrypts_own() -> None:
    assert bcrypt.checkpw("pässword".encode(), hash_password("pässword", SALT))
    assert salt_of(hash_password("x" * 72, SALT)) == SALT


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("", "the password is empty"),
        ("x" * 73, "the password has 73 bytes, bcrypt takes at most 72: choose a shorter one"),
        ("ä" * 37, "the password has 74 bytes"),
        ("a\0b", "the password holds a NUL character"),
        ("\udce9", "the password is not in UTF-8"),
    ],
)
def test_a_password_that_bcrypt_would_cut_is_refused(password: str, reason: str) -> None:
    with pytest.raises(ParameterError, match=reason) as error:
        hash_password(password, SALT)
    assert not password or password not in str(error.value)


@pytest.mark.parametrize(
    ("salt", "reason"),
    [
        ("$2b$04$foUnLUEMk9T/T79yieoE/.", "asks for bcrypt cost 4, allowed are 10 to 16: do not trust this server"),
        ("$2b$09$foUnLUEMk9T/T79yieoE/.", "cost 9"),
        ("$2b$17$foUnLUEMk9T/T79yieoE/.", "cost 17"),
        ("$2b$31$foUnLUEMk9T/T79yieoE/.", "cost 31"),
        ("$2a$12$foUnLUEMk9T/T79yieoE/.", "is no bcrypt salt"),
        ("$2b$12$short", "is no bcrypt salt"),
        ("$2b$12$foUnLUEMk9T/T79yieoE/.\n", "is no bcrypt salt"),
        ("", "is no bcrypt salt"),
    ],
)
def test_a_salt_that_helps_to_guess_is_refused(salt: str, reason: str) -> None:
    with pytest.raises(ParameterError, match=reason):
        check_salt(salt)
    with pytest.raises(ParameterError, match=reason):
        hash_password("password", salt)
