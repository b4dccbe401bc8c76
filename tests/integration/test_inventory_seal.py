"""Envelopes and signatures, with the real openssl on the other side."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from headless.inventory.collect.identities import read_identities
from headless.inventory.seal import BadSeal, is_sealed, is_signed, open_sealed, seal, sign, verify
from inventory_identities import Holder, make_holder
from inventory_roots import make_debian
from support import World

DATA = b"#\nhost: a\r\nversion: 1\n#\n\xff\x00\n#\n"
pytestmark = pytest.mark.peer("openssl")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the certificates are."""
    return tmp_path_factory.mktemp("identities")


@pytest.fixture(scope="module")
def anna(folder: Path) -> Holder:
    """A recipient."""
    return make_holder(folder, "anna")


@pytest.fixture(scope="module")
def bert(folder: Path) -> Holder:
    """Another one."""
    return make_holder(folder, "bert")


def run_openssl(*words: str | Path, data: bytes) -> bytes:
    """Run it to its end; it must succeed."""
    return subprocess.run(["openssl", *map(str, words)], input=data, capture_output=True, check=True).stdout


@pytest.mark.parametrize("command", ["smime", "cms"])
def test_openssl_opens_what_we_seal_with_each_recipients_key(command: str, anna: Holder, bert: Holder) -> None:
    sealed = seal(DATA, [anna.certificate, bert.certificate])
    for holder in (anna, bert):
        words = (command, "-decrypt", "-inform", "DER", "-recip", holder.certificate_file, "-inkey", holder.key_file)
        assert run_openssl(*words, "-binary", data=sealed) == DATA


@pytest.mark.parametrize("command", ["smime", "cms"])
@pytest.mark.parametrize("form", ["DER", "PEM", "SMIME"])
def test_we_open_what_openssl_seals(command: str, form: str, anna: Holder, bert: Holder) -> None:
    recipients = (bert.certificate_file, anna.certificate_file)
    words = (command, "-encrypt", "-binary", "-aes-256-cbc", "-outform", form, *recipients)
    sealed = run_openssl(*words, data=DATA)
    assert is_sealed(sealed) and not is_signed(sealed)
    assert open_sealed(sealed, [(anna.certificate, anna.rsa_key)]) == DATA


@pytest.mark.parametrize("elliptic", [False, True])
def test_a_signature_of_ours_is_verified_by_openssl_and_by_us(folder: Path, elliptic: bool) -> None:
    signer = make_holder(folder, f"signer-{elliptic}", elliptic=elliptic)
    signed = sign(DATA, signer.certificate, signer.key)
    words = ("cms", "-verify", "-binary", "-inform", "DER", "-CAfile", signer.certificate_file, "-purpose", "any")
    assert run_openssl(*words, data=signed) == DATA
    assert is_signed(signed) and not is_sealed(signed)
    assert verify(signed, [signer.certificate]) == (DATA, signer.certificate)


@pytest.mark.parametrize("words", [("smime",), ("cms",), ("cms", "-keyid")])
def test_a_signature_of_openssl_is_verified(words: tuple[str, ...], anna: Holder) -> None:
    command = (words[0], "-sign", *words[1:], "-binary", "-nodetach", "-outform", "DER")
    signed = run_openssl(*command, "-signer", anna.certificate_file, "-inkey", anna.key_file, data=DATA)
    assert verify(signed, [anna.certificate])[0] == DATA


def test_a_signature_counts_only_from_those_who_are_known(anna: Holder, bert: Holder) -> None:
    with pytest.raises(BadSeal, match="nobody"):
        verify(sign(DATA, bert.certificate, bert.key), [anna.certificate])


def test_a_signature_by_a_certificate_that_is_over_does_not_count(folder: Path) -> None:
    old = make_holder(folder, "old", days=-1)
    signed = sign(DATA, old.certificate, old.key)
    with pytest.raises(BadSeal, match="holds until"):
        verify(signed, [old.certificate])
    assert verify(signed, [old.certificate], now=datetime.now(UTC) - timedelta(days=2))[0] == DATA


def test_no_changed_byte_of_signed_content_is_taken(anna: Holder) -> None:
    signed = sign(DATA, anna.certificate, anna.key)
    for place in range(0, len(signed), 7):
        changed = bytearray(signed)
        changed[place] ^= 0x20
        try:
            content, _ = verify(bytes(changed), [anna.certificate])
        except BadSeal:
            continue
        assert content == DATA  # a byte outside what is signed, as of the certificates it brings along


def test_flipped_bits_and_cut_ends_of_an_envelope_are_no_crash(anna: Holder) -> None:
    sealed = seal(DATA * 20, [anna.certificate])
    for place in range(0, len(sealed), 5):
        changed = bytearray(sealed)
        changed[place] ^= 0x10
        for broken in (bytes(changed), sealed[:place]):
            try:
                assert open_sealed(broken, [(anna.certificate, anna.rsa_key)]) is not None
            except BadSeal:
                continue


def test_an_envelope_for_somebody_else_says_so(anna: Holder, bert: Holder) -> None:
    with pytest.raises(BadSeal, match="recipient"):
        open_sealed(seal(DATA, [bert.certificate]), [(anna.certificate, anna.rsa_key)])
    with pytest.raises(BadSeal, match="no key"):
        open_sealed(seal(DATA, [bert.certificate]), [])


@pytest.mark.parametrize("more", [(), ("--format", "json")])
def test_a_private_key_among_those_to_seal_for_is_told(world: World, anna: Holder, more: tuple[str, ...]) -> None:
    root = make_debian(world.home / "root")
    both = world.home / "both.pem"
    both.write_bytes(anna.certificate_file.read_bytes() + anna.key_file.read_bytes())
    words = ("inventory", "report", "--site", "S", "--root", str(root), *more, "--encrypt")
    done = world.run(*words, str(both))
    assert done.returncode == 0 and b"both.pem: a private key stands in it" in done.stderr
    assert b"node1" in open_sealed(done.stdout, [(anna.certificate, anna.rsa_key)])
    assert world.run(*words, str(anna.certificate_file)).stderr == b""


def test_the_pair_that_the_docs_make_seals_and_opens(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs/inventory.md").read_text()
    begin = text.index("openssl req -x509")
    commands = text[begin : text.index("```", begin)]
    subprocess.run(["/bin/sh", "-ec", commands], cwd=tmp_path, capture_output=True, check=True)
    certificate = x509.load_pem_x509_certificate((tmp_path / "collector.crt").read_bytes())
    [identity] = read_identities([str(tmp_path / "collector.pem")])
    assert open_sealed(seal(DATA, [certificate]), [identity]) == DATA


def test_only_rsa_keys_can_be_sealed_for(folder: Path) -> None:
    with pytest.raises(BadSeal, match="RSA"):
        seal(DATA, [make_holder(folder, "curve", elliptic=True).certificate])


@pytest.mark.parametrize("data", [b"", b"#\n", b"0", b"0\x82", b"MIME-Version: 1.0\n\n", b"-----BEGIN CMS-----\n!!"])
def test_what_is_no_envelope_is_refused(data: bytes, anna: Holder) -> None:
    assert not is_sealed(data) and not is_signed(data)
    with pytest.raises(BadSeal):
        open_sealed(data, [(anna.certificate, anna.rsa_key)])
